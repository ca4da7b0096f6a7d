"""Data roots with a published snapshot: the runs happen once per session, each test gets a copy."""

import json
import shutil
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, deliver


@pytest.fixture(scope="session")
def _one_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _published(tmp_path_factory.mktemp("one_export"), export=EXPORT)


@pytest.fixture(scope="session")
def _two_exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _published(tmp_path_factory.mktemp("two_exports"), export=EXPORT, other=OTHER)


@pytest.fixture(scope="session")
def _two_snapshots(_one_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_root = deliver(_copy(_one_export, tmp_path_factory.mktemp("two_snapshots")), more=MORE)
    result = scenario.run(data_root, settle=True)
    assert result.success, scenario.failure(result)
    return data_root.root


@pytest.fixture
def two_snapshots(_two_snapshots: Path, tmp_path: Path) -> DataRoot:
    """The data root of `one_export` after a second snapshot with more.csv."""
    return _copy(_two_snapshots, tmp_path)


@pytest.fixture
def one_export(_one_export: Path, tmp_path: Path) -> DataRoot:
    """A data root with one snapshot of export.csv, and nothing new."""
    return _copy(_one_export, tmp_path)


@pytest.fixture
def data_root(_two_exports: Path, tmp_path: Path) -> DataRoot:
    """A data root with one snapshot of export.csv and other.csv, and nothing new."""
    return _copy(_two_exports, tmp_path)


def _published(root: Path, **exports: bytes) -> Path:
    data_root = deliver(DataRoot(root), **exports)
    result = scenario.run(data_root, settle=True)
    assert result.success, scenario.failure(result)
    return root


def _copy(root: Path, target: Path) -> DataRoot:
    shutil.copytree(root, target, dirs_exist_ok=True)
    data_root = DataRoot(target)
    # The recorded hashes are valid for the change time of a file, which a copy does not keep.
    recorded = data_root.warehouse / "landing.json"
    document = json.loads(recorded.read_text())
    for row in document["files"]:
        row[3] = (data_root.landing / row[0]).stat().st_ctime_ns
    recorded.write_text(json.dumps(document))
    return data_root
