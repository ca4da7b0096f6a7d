"""A table, document or part whose writing fails, or is killed, at any call: the old one or the new one, whole."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.defs.io_manager import WarehouseIOManager
from amzseg_pipeline.storage.arrow import arrow_schema
from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine
from amzseg_pipeline.storage.files import sha256_of
from amzseg_pipeline.storage.landing import raw_reviews
from amzseg_pipeline.storage.tables import FrameStream
from amzseg_pipeline_tests.faults import Killed, faults
from amzseg_pipeline_tests.storage.landing.exports import landing_zone, sales_csv

KILLS = pytest.mark.parametrize("is_kill", [False, True], ids=["refused", "killed"])
NAME = "scaled_features"


def a_frame(users: int) -> pd.DataFrame:
    schema = arrow_schema(TABLES[NAME])
    values = {pa.string(): "a", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}
    rows = [{field.name: values[field.type] for field in schema} | {"user_id": f"U{n}"} for n in range(users)]
    return pa.Table.from_pylist(rows, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)


class Warehouse:
    """A warehouse with one table in it, and the ways in which an asset hands its table over."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "warehouse"
        self.folder.mkdir(parents=True)
        self.engine = DuckDBEngine(Settings(threads=1), temporary=root / "temporary")
        self.manager = WarehouseIOManager(self.folder, self.engine)
        self.source = root / "source.parquet"

    def write(self, kind: str, *, users: int) -> None:
        frame = a_frame(users)
        schema = arrow_schema(TABLES[NAME])
        pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), self.source)
        obj = {
            "a pandas frame": lambda: frame,
            "a stream of frames": lambda: FrameStream(iter([frame])),
            "a frame of the engine": lambda: self.engine.scan([self.source]),
        }[kind]()
        context = dg.build_output_context(asset_key=dg.AssetKey(NAME))
        self.manager.handle_output(context, obj)

    @property
    def users(self) -> int:
        return int(pq.read_table(self.folder / f"{NAME}.parquet").num_rows)

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@KILLS
@pytest.mark.parametrize("kind", ["a pandas frame", "a stream of frames", "a frame of the engine"])
def test_a_table_is_the_old_or_the_new_one_wherever_its_writing_stops(tmp_path: Path, kind: str, is_kill: bool) -> None:
    def write(warehouse: Warehouse, users: int) -> None:
        warehouse.write(kind, users=users)

    def look(warehouse: Warehouse) -> int:
        return warehouse.users

    warehouse = Warehouse(tmp_path)
    seen = old_or_new(warehouse, write, look, is_kill=is_kill)
    assert seen == {1, 2}
    assert warehouse.files == {f"{NAME}.parquet"}
    warehouse.engine.close()


def old_or_new(thing: Any, write: Callable[[Any, int], None], look: Callable[[Any], int], *, is_kill: bool) -> set[int]:
    """What can be seen after a fault at each call of the second write; the third has to succeed."""
    write(thing, 1)
    with faults(None, is_kill=is_kill) as counted:
        write(thing, 2)
    assert counted.calls >= 5
    seen = set()
    for at in range(counted.calls):
        write(thing, 1)
        try:
            with faults(at, is_kill=is_kill):
                write(thing, 2)
        except (Killed, OSError, PipelineError):
            pass
        seen.add(look(thing))
        write(thing, 3)
        assert look(thing) == 3
    return seen


@KILLS
def test_the_landing_zone_is_read_again_wherever_its_reading_stopped(tmp_path: Path, is_kill: bool) -> None:
    def read(home: Any, listings: int) -> None:
        landing_zone(home.root, {"a.csv": sales_csv([{}] * listings)})
        raw_reviews(home, Settings(), now=time.time(), settle=False)

    home = landing_zone(tmp_path, {"a.csv": sales_csv([{}])})
    read(home, 2)
    with faults(None, is_kill=is_kill) as counted:
        read(home, 3)
    for at in range(counted.calls):
        read(home, 2)
        landing_zone(home.root, {"a.csv": sales_csv([{}] * 3)})
        try:
            with faults(at, is_kill=is_kill):
                raw_reviews(home, Settings(), now=time.time(), settle=False)
        except (Killed, OSError, PipelineError):
            pass
        assert all(sum(1 for _ in pq.ParquetFile(part).iter_batches()) for part in home.warehouse.rglob("*.parquet"))
        raw = raw_reviews(home, Settings(), now=time.time(), settle=False)
        assert (raw.records, raw.rows) == (3, 6)
        [part] = (home.warehouse / "raw_reviews").iterdir()
        assert pq.read_table(part).num_rows == 6
        memory = json.loads((home.warehouse / "landing.json").read_bytes())
        assert [row[-1] for row in memory["files"]] == [sha256_of(home.landing / "a.csv")]


def test_a_clock_that_goes_back_stops_nothing(tmp_path: Path) -> None:
    home = landing_zone(tmp_path, {"a.csv": sales_csv([{}])})
    years_ago = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
    for now in (time.time(), years_ago, time.time()):
        assert raw_reviews(home, Settings(), now=now, settle=False).rows == 2
    by_night = raw_reviews(home, Settings(settle_seconds=60), now=years_ago, settle=True)
    assert [batch.path for batch in by_night.batches] == ["a.csv"]
