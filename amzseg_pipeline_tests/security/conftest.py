"""A data root with a finished run that used a key, shared by the tests here."""

import shutil
from pathlib import Path

import pytest

from amzseg_pipeline.steps.pseudonyms import MIN_KEY_BYTES, USER_KEY_VARIABLE
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.security.marked_exports import deliver, sales

KEY = "k" * MIN_KEY_BYTES


@pytest.fixture(scope="session")
def _keyed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(root: Path) -> None:
        data_root = scenario.data_root_with(root)
        deliver(data_root.landing, sales())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(USER_KEY_VARIABLE, KEY)
            scenario.published(data_root)

    return scenario.made_once(tmp_path_factory, "keyed_run", make)


@pytest.fixture
def keyed_data_root(_keyed_run: Path, tmp_path: Path) -> DataRoot:
    """A copy of a data root with a snapshot whose ids were pseudonymised with KEY."""
    shutil.copytree(_keyed_run, tmp_path / "keyed", copy_function=shutil.copy2)
    return DataRoot(tmp_path / "keyed")
