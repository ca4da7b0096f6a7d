"""Every write that fails or is killed at any call leaves the old or the new content, complete."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.landing import raw_reviews
from amzseg_pipeline_tests.faults import Killed, faults
from amzseg_pipeline_tests.reliability.interrupted import NEW, OLD, WRITES, interrupted
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone, sales_csv

KILLS = pytest.mark.parametrize("is_kill", [False, True], ids=["refused", "killed"])


@KILLS
@pytest.mark.parametrize(
    "kind", [kind if "table" in kind else pytest.param(kind, marks=pytest.mark.slow) for kind in WRITES]
)
def test_an_interrupted_write_leaves_the_old_or_new_content(tmp_path: Path, kind: str, is_kill: bool) -> None:
    found = interrupted(tmp_path, WRITES[kind], is_kill=is_kill)
    assert found.calls >= 5
    assert set(found.seen) == {OLD, NEW}
    assert found.is_complete, found


@KILLS
def test_an_interrupted_ingest_is_repeated(tmp_path: Path, is_kill: bool) -> None:
    def read(data_root: Any, listings: int) -> None:
        landing_zone(data_root.root, {"a.csv": sales_csv([{}] * listings)})
        raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)

    data_root = landing_zone(tmp_path, {"a.csv": sales_csv([{}])})
    read(data_root, 2)
    with faults(None, is_kill=is_kill) as counted:
        read(data_root, 3)
    for at in range(counted.calls):
        read(data_root, 2)
        landing_zone(data_root.root, {"a.csv": sales_csv([{}] * 3)})
        try:
            with faults(at, is_kill=is_kill):
                raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
        except (Killed, OSError, PipelineError):
            pass
        assert all(
            sum(1 for _ in pq.ParquetFile(part).iter_batches()) for part in data_root.warehouse.rglob("*.parquet")
        )
        raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
        assert (raw.records, raw.rows) == (3, 6)
        [part] = (data_root.warehouse / "raw_reviews").iterdir()
        assert pq.read_table(part).num_rows == 6
        promotion_state = json.loads((data_root.warehouse / "landing.json").read_bytes())
        assert [row[-1] for row in promotion_state["files"]] == [sha256_of(data_root.landing / "a.csv")]


def test_a_clock_set_back_stops_nothing(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": sales_csv([{}])})
    years_ago = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
    for now in (time.time(), years_ago, time.time()):
        assert raw_reviews(data_root, Settings(), now=now, skip_settling=False).rows == 2
    scheduled = raw_reviews(data_root, Settings(settle_seconds=60), now=years_ago, skip_settling=True)
    assert [batch.path for batch in scheduled.batches] == ["a.csv"]
