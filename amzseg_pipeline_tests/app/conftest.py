"""The homes that the pages of a test show."""

import shutil
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import Home
from amzseg_pipeline_tests import scenario


@pytest.fixture
def shown_home(published_home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """`published_home`, and the app reads it."""
    monkeypatch.setenv("AMZSEG_DATA", str(published_home.root))
    return published_home


@pytest.fixture(scope="session")
def _second_night(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("second") / "home"
    shutil.copytree(_sample_run, root)
    lines = scenario.SAMPLE.read_bytes().splitlines(keepends=True)
    (root / "landing" / "sample.csv").write_bytes(b"".join(lines[:-60]))
    result = scenario.run(Home(root), settings={"n_init": 1, "k": 3}, force=True)
    assert result.success, scenario.failure(result)
    return root


@pytest.fixture
def second_night(_second_night: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a second night on which users moved and left; the app reads it, and nobody may change it."""
    monkeypatch.setenv("AMZSEG_DATA", str(_second_night))
    return Home(_second_night)
