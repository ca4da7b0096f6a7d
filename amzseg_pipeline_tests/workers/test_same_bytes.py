"""Runs publish the same bytes in one process, in local processes, on Dask and on Ray."""

import shutil
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.workers.builds import published
from amzseg_pipeline_tests.workers.clusters import Cluster
from benchmarks.generate_reviews import Population, write

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str | Path], dict[str, str]]:
    """The hashes of the published tables of a run in one process, by exports."""

    @lru_cache
    def hashes(exports: str | Path) -> dict[str, str]:
        return published(exports, tmp_path_factory.mktemp("folder") / "data", workers="1")

    return hashes


@pytest.mark.parametrize("exports", ["people", "sample"])
def test_clusters_publish_the_same_bytes(
    store: Store, cluster: Cluster, expected: Callable[[str | Path], dict[str, str]], exports: str
) -> None:
    assert published(exports, store.address, workers=cluster.workers) == expected(exports)
    for own in cluster.folders:
        assert not list(own.rglob("*.parquet"))


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a million synthetic reviews in four exports of a format."""

    @lru_cache
    def folder(file_format: str) -> Path:
        out = tmp_path_factory.mktemp("exports") / "million"
        write(Population(1_000_000), out, file_format=file_format, shards=4)
        return out

    return folder


REAL = {"amazon": ("amazon.csv",), "gift cards": ("Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz")}
"""Real exports that can be read together: their prices have one currency."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """The folder of some of the real exports."""

    @lru_cache
    def folder(name: str, real_data: Path) -> Path:
        out = tmp_path_factory.mktemp("real")
        for export in REAL[name]:
            shutil.copy(real_data / export, out)
        return out

    return folder


@pytest.fixture(params=["parquet", "jsonl.gz", *(pytest.param(name, marks=pytest.mark.real_data) for name in REAL)])
def exports(request: pytest.FixtureRequest, million: Callable[[str], Path], real: Callable[[str, Path], Path]) -> Path:
    """A folder of exports."""
    if request.param in REAL:
        return real(request.param, request.getfixturevalue("real_data"))
    return million(request.param)


def test_clusters_publish_the_same_bytes_of_exports(
    store: Store, cluster: Cluster, expected: Callable[[str | Path], dict[str, str]], exports: Path
) -> None:
    assert published(exports, store.address, workers=cluster.workers) == expected(exports)


def test_local_workers_publish_the_same_bytes_of_exports(
    tmp_path: Path, expected: Callable[[str | Path], dict[str, str]], exports: Path
) -> None:
    assert published(exports, tmp_path / "data", workers="local:2") == expected(exports)
