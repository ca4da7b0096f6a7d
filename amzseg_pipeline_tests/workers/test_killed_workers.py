"""Workers killed in the middle of partitioning, aggregating and scoring: nothing is lost, and nothing doubled."""

import pytest

from amzseg_pipeline.storage.warehouse import partitioning
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.workers.builds import hashes_of_tables, killed_while_writing
from amzseg_pipeline_tests.workers.clusters import Cluster


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return hashes_of_tables(tmp_path_factory.mktemp("expected"), workers="1")


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each export is a task."""
    monkeypatch.setattr(partitioning, "_WORKER_GROUP_ROWS", 1)


@pytest.mark.slow
def test_clusters_make_the_same_tables(store: Store, cluster: Cluster, expected: dict[str, str]) -> None:
    assert hashes_of_tables(store.address, workers=cluster.workers) == expected


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))])
def test_a_killed_worker_loses_and_doubles_nothing(
    store: Store, cluster: Cluster, expected: dict[str, str], seed: int
) -> None:
    with killed_while_writing(store.writes, cluster.running_workers, seed=seed) as killed:
        assert hashes_of_tables(store.address, workers=cluster.workers) == expected
    assert killed
