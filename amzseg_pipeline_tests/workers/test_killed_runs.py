"""The process of a run killed at seeded writes: the next run completes, and nothing partial is ever visible."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.parquet.partitions import is_complete
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import people
from amzseg_pipeline_tests.object_store import Server, Store
from amzseg_pipeline_tests.workers.builds import STAGES
from amzseg_pipeline_tests.workers.clusters import Cluster, dask_cluster
from amzseg_pipeline_tests.workers.processes import started_run

pytestmark = pytest.mark.slow
KILLS = 5
"""In each of four tests per backend."""
SETTINGS = {**scenario.QUICK, "bucket_rows": 50}


@pytest.fixture
def dask(_s3_server: Server, store: Store, tmp_path: Path) -> Iterator[Cluster]:
    assert store.endpoint == _s3_server.endpoint
    with dask_cluster(tmp_path) as cluster:
        yield cluster


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("group", range(4))
@pytest.mark.parametrize("backend", ["local", "dask"])
def test_the_next_run_completes_after_each_kill(
    store: Store, request: pytest.FixtureRequest, backend: str, group: int
) -> None:
    workers = "local:2" if backend == "local" else request.getfixturevalue("dask").workers
    settings, rng = {**SETTINGS, "workers": workers}, random.Random(f"{backend} {group}")
    assert deliver_and_run(store, settings, day=0) == 0
    writes = len(store.writes)
    for day in range(1, KILLS + 1):
        before = read_latest(store.address).sequence
        store.writes.clear()
        at = rng.randrange(1, writes)
        code = deliver_and_run(store, settings, day=day, kill_at=at)
        after = read_latest(store.address)
        after.verify()
        print(f"{backend} {day}: killed at write {at} of {writes}: exit {code}, snapshot {before} -> {after.sequence}")
        assert (code, after.sequence) in {(-9, before), (-9, before + 1), (0, before + 1)}
        assert not incomplete_parts(store)
        if after.sequence == before:
            assert deliver_and_run(store, settings, day=day) == 0
        latest = read_latest(store.address)
        # A run killed between its last file and the pointer leaves a number that is not used again.
        assert before < latest.sequence <= before + 2
        users = latest.segment_assignments()["user_id"]
        assert sorted(users) == sorted({f"P{n}" for n in (*range(1, 61), *range(100, 120 + day))})


def deliver_and_run(store: Store, settings: dict[str, object], *, day: int, kill_at: int = 0) -> int | None:
    """The exit code of a run on two exports, the second replaced every day; killed at that write, counted from 1."""
    exports = {"first": people(60), "second": people(20 + day, first=100, day=2)}
    scenario.data_root_with(data_root_at(store.address).root, **exports)
    store.writes.clear()
    process = started_run(store.address, settings=settings)
    while process.is_alive():
        if kill_at and len(store.writes) >= kill_at:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.join()
            psutil.wait_procs(children, timeout=30)
            break
        time.sleep(0.001)
    process.join()
    return process.exitcode


def incomplete_parts(store: Store) -> list[Path]:
    """Parts whose list of files exists, and of which a file is missing."""
    warehouse = data_root_at(store.address).warehouse
    lists = [path for path in files_below(warehouse) if path.name == "files.json"]
    assert not lists or any(folder.rstrip("/") in str(path) for path in lists for folder in STAGES)
    return [path.parent for path in lists if not is_complete(path.parent)]
