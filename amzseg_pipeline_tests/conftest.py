"""Fixtures that more than one room needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """The folder of real exports; the test is skipped, saying so, where it is not there."""
    folder = Path(os.environ.get("AMZSEG_REAL_DATA") or "missing")
    if not (folder / "amazon.csv").exists():
        pytest.skip("AMZSEG_REAL_DATA does not name a folder with the real exports")
    return folder
