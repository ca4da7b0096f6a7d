"""The homes that the pages of a test show."""

import shutil
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario


@pytest.fixture
def shown_data_root(published_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """`published_home`, and the app reads it."""
    monkeypatch.setenv("AMZSEG_DATA", str(published_data_root.root))
    return published_data_root


@pytest.fixture(scope="session")
def _second_run(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("second") / "home"
    shutil.copytree(_sample_run, root)
    lines = scenario.SAMPLE.read_bytes().splitlines(keepends=True)
    (root / "landing" / "sample.csv").write_bytes(b"".join(lines[:-60]))
    result = scenario.run(DataRoot(root), settings={"n_init": 1, "k": 3}, force=True)
    assert result.success, scenario.failure(result)
    return root


@pytest.fixture
def second_run(_second_run: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A home with a second night on which users moved and left; the app reads it, and nobody may change it."""
    monkeypatch.setenv("AMZSEG_DATA", str(_second_run))
    return DataRoot(_second_run)
