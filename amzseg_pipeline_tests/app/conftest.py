"""Data roots that the app shows, and pages opened on them."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.app.pages import opened

_MAIN_MODULE = sys.modules["__main__"]


@pytest.fixture(autouse=True)
def _main_module() -> Iterator[None]:
    """AppTest, in fixtures too, replaces the main module, which processes that later tests spawn would import."""
    yield
    sys.modules["__main__"] = _MAIN_MODULE


@pytest.fixture
def sample_data_root(_sample_run: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """The shared sample run, shown by the app; for tests that change no file."""
    monkeypatch.setenv("AMZSEG_DATA", str(_sample_run))
    return DataRoot(_sample_run)


@pytest.fixture(scope="session")
def sample_page(_sample_run: Path) -> Callable[[str], AppTest]:
    """Opens a page of the shared sample run once; for tests that only look at it."""
    sessions: dict[str, AppTest] = {}

    def page(name: str) -> AppTest:
        if name not in sessions:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AMZSEG_DATA", str(_sample_run))
                sessions[name] = opened(name)
        return sessions[name]

    return page


@pytest.fixture
def shown_data_root(published_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A copy of the sample run, shown by the app; for tests that change files."""
    monkeypatch.setenv("AMZSEG_DATA", str(published_data_root.root))
    return published_data_root


@pytest.fixture(scope="session")
def _second_run(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        shutil.copytree(_sample_run, root)
        lines = scenario.SAMPLE.read_bytes().splitlines(keepends=True)
        (root / "landing" / "sample.csv").write_bytes(b"".join(lines[:-60]))
        scenario.published(DataRoot(root), settings={**scenario.QUICK, "k": 3, "k_max": 6}, force=True)

    return scenario.made_once(tmp_path_factory, "second_run", make)


@pytest.fixture
def second_run(_second_run: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A data root after a second run in which users moved and left, shown by the app; tests change no file."""
    monkeypatch.setenv("AMZSEG_DATA", str(_second_run))
    return DataRoot(_second_run)
