"""The home that the pages of a test show."""

import pytest

from amzseg_pipeline.storage.home import Home


@pytest.fixture
def shown_home(published_home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """`published_home`, and the app reads it."""
    monkeypatch.setenv("AMZSEG_DATA", str(published_home.root))
    return published_home
