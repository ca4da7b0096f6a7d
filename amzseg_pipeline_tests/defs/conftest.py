"""Data roots with a published snapshot: the runs happen once per session, each test gets a copy."""

from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, copied, deliver


@pytest.fixture(scope="session")
def _one_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario.made_once(tmp_path_factory, "one_export", lambda root: _publish(root, export=EXPORT))


@pytest.fixture(scope="session")
def _two_exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenario.made_once(tmp_path_factory, "two_exports", lambda root: _publish(root, export=EXPORT, other=OTHER))


@pytest.fixture(scope="session")
def _two_snapshots(_one_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        scenario.published(deliver(copied(_one_export, root), more=MORE), skip_settling=True)

    return scenario.made_once(tmp_path_factory, "two_snapshots", make)


@pytest.fixture
def two_snapshots(_two_snapshots: Path, tmp_path: Path) -> DataRoot:
    """The data root of `one_export` after a second snapshot with more.csv."""
    return copied(_two_snapshots, tmp_path)


@pytest.fixture
def one_export(_one_export: Path, tmp_path: Path) -> DataRoot:
    """A data root with one snapshot of export.csv, and nothing new."""
    return copied(_one_export, tmp_path)


@pytest.fixture
def data_root(_two_exports: Path, tmp_path: Path) -> DataRoot:
    """A data root with one snapshot of export.csv and other.csv, and nothing new."""
    return copied(_two_exports, tmp_path)


def _publish(root: Path, **exports: bytes) -> None:
    scenario.published(deliver(DataRoot(root), **exports), skip_settling=True)
