"""A slow store that answers some requests by 500, 503 or a reset: runs complete, with the same tables."""

import json
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import people
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.workers.builds import hashes_of_tables, table_hashes
from amzseg_pipeline_tests.workers.flaky_store import flaky_store
from amzseg_pipeline_tests.workers.processes import started, started_run


def write_hashes(root: str, path: Path) -> None:
    path.write_text(json.dumps(hashes_of_tables(root, workers="1")), encoding="utf-8")


def test_tables_are_the_same_on_a_flaky_store(store: Store, tmp_path: Path) -> None:
    with flaky_store(store.endpoint, latency_seconds=0.002, fault_share=0.02) as flaky:
        process = started(write_hashes, store.address, tmp_path / "hashes", AWS_ENDPOINT_URL=flaky.endpoint)
        process.join()
    assert process.exitcode == 0, flaky.counts
    assert json.loads((tmp_path / "hashes").read_bytes()) == hashes_of_tables(tmp_path / "folder", workers="1")
    assert flaky.counts.total() > flaky.counts["answered"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", ["1", "local:2"])
def test_runs_complete_on_a_slow_and_flaky_store(store: Store, tmp_path: Path, workers: str) -> None:
    settings = {**scenario.QUICK, "bucket_rows": 50, "workers": workers}
    exports = {"first": people(60), "second": people(80, first=40, day=2)}
    folder = scenario.data_root_with(tmp_path / "folder", **exports)
    result = scenario.run(folder, settings=settings)
    assert result.success, scenario.failure(result)
    scenario.data_root_with(data_root_at(store.address).root, **exports)
    with flaky_store(store.endpoint, latency_seconds=0.2, fault_share=0.05) as flaky:
        process = started_run(store.address, settings=settings, AWS_ENDPOINT_URL=flaky.endpoint)
        process.join()
    print(dict(flaky.counts))
    assert process.exitcode == 0, flaky.counts
    assert table_hashes(read_latest(store.address)) == table_hashes(read_latest(folder.root))
