"""Tables made with workers: published by a run, or by the tasks alone, without Dagster, in seconds."""

import csv
import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.engines.open_engine import opened_engine
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.warehouse.assignments import Scoring, segment_assignments, segment_profiles
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.cleaned_reviews import deduplicated_reviews, user_features
from amzseg_pipeline.storage.warehouse.items import item_tables
from amzseg_pipeline.storage.warehouse.partitioning import partitioned_reviews
from amzseg_pipeline.storage.warehouse.tasks import function_results
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import people
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types
from amzseg_pipeline_tests.storage.landing.synthetic_exports import csv_of

AS_OF = date(2026, 2, 1)
STAGES = ("partitioned_reviews/", "bucket_states/", "segment_assignments/")
"""Folders of the warehouse that tasks write to: partitioning, aggregating and scoring."""


@cache
def model() -> Model:
    """A model that no table depends on."""
    return model_of(three_types(300), k=3)


def tables_of(
    root: Path | str,
    *,
    workers: str = "1",
    bucket_rows: int = 150,
    previous: Path | None = None,
    has_exports: bool = False,
    memory_limit_mib: int = 500,
) -> dict[str, pa.Table]:
    """user_features, segment_assignments and segment_profiles, by default of six exports, in four buckets.

    Args:
        root: The data root.
        workers: The setting.
        bucket_rows: The setting.
        previous: The published assignments of a previous run.
        has_exports: Whether the exports are in the landing zone.
        memory_limit_mib: Memory of each engine; each has one thread.
    """
    exports = {} if has_exports else {f"day{day}": people(30, first=20 * day, day=day) for day in range(1, 7)}
    data_root = scenario.data_root_with(data_root_at(root).root, **exports)
    limits = {"threads": 1, "worker_threads": 1, "memory_limit_mib": memory_limit_mib}
    settings = Settings(workers=workers, bucket_rows=bucket_rows, worker_memory_mib=memory_limit_mib, **limits)
    engine = opened_engine(data_root, settings)
    try:
        build = BuildContext(engine, data_root.warehouse, "1", settings, log=[].append)
        raw = landing.raw_reviews(
            data_root, settings, now=time.time(), skip_settling=False, run=partial(function_results, build=build)
        )
        items, _ = item_tables(raw, build)
        partitioned = partitioned_reviews(raw, partial(Engine.scan, paths=items.paths), build)
        users = user_features(deduplicated_reviews(partitioned, build, as_of=AS_OF))
        champion = None if previous is None else model()
        scoring = Scoring(model(), champion=champion, previous=previous, as_of=AS_OF, run_date=AS_OF)
        assignments = segment_assignments(users, scoring, build)
        profiles = segment_profiles(assignments, model(), build)
        return {
            **{
                table.folder.name: engine.scan(table.paths).sort("user_id").collect("pyarrow").to_native()
                for table in (users, assignments)
            },
            "segment_profiles": pa.Table.from_pandas(profiles),
        }
    finally:
        engine.close()


def hashes_of_tables(root: Path | str, *, workers: str) -> dict[str, str]:
    """The sha256 of each of the tables."""
    return hashes_of(tables_of(root, workers=workers))


def hashes_of(tables: Mapping[str, pa.Table]) -> dict[str, str]:
    """The sha256 of each table as a Parquet file."""
    return {name: hashlib.sha256(parquet(rows)).hexdigest() for name, rows in tables.items()}


def parquet(rows: pa.Table) -> bytes:
    """The rows as a Parquet file."""
    content = BytesIO()
    pq.write_table(rows, content)
    return content.getvalue()


def published(exports: str | Path, root: Path | str, *, workers: str) -> dict[str, str]:
    """The hashes of the tables that a run publishes: of people, of the sample, or of the exports in a folder."""
    data_root = data_root_at(root)
    settings: dict[str, object] = {"n_init": 1, "k": 3, "bucket_rows": 200, "plots": "off"}
    if isinstance(exports, Path):
        settings["bucket_rows"] = 300_000 if "million" in exports.name else 500
        data_root.landing.mkdir(parents=True, exist_ok=True)
        for path in sorted(exports.iterdir()):
            if path.name != "README.md":
                (data_root.landing / path.name).write_bytes(path.read_bytes())
    elif exports == "sample":
        with scenario.SAMPLE.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        scenario.data_root_with(data_root.root, first=csv_of(rows[::2]), second=csv_of(rows[1::2]))
    else:
        settings = {**scenario.QUICK, "bucket_rows": 50}
        scenario.data_root_with(data_root.root, first=people(60), second=people(80, first=40, day=2))
    result = scenario.run(data_root, settings={**settings, "workers": workers})
    assert result.success, scenario.failure(result)
    return table_hashes(read_latest(data_root.root))


def table_hashes(snapshot: Snapshot) -> dict[str, str]:
    """The sha256 of each published table."""
    files = {resource["path"]: resource["hash"] for resource in snapshot.manifest["resources"]}
    return {name: sha256 for name, sha256 in files.items() if name.endswith(".parquet")}


@contextmanager
def killed_while_writing(
    writes: Sequence[str], processes: Callable[[], list[psutil.Process]], *, seed: int
) -> Iterator[list[str]]:
    """Kills one of the processes at a seeded one of the first writes of a stage; the list gets the key."""
    rng, ended, killed = random.Random(seed), threading.Event(), list[str]()
    stage, number = STAGES[seed % len(STAGES)], rng.randrange(1, 5)

    def kill() -> None:
        while not ended.wait(0.001):
            keys = [key for key in tuple(writes) if f"warehouse/{stage}" in key]
            if len(keys) >= number and (found := processes()):
                rng.choice(found).kill()
                killed.append(keys[-1])
                return

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()
