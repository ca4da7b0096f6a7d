"""The recipes of the page About the data, run as shown."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.app.reading_recipes import RECIPES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot

TEXTS = {name: text for name, _, text in RECIPES}


@pytest.fixture
def working_folder(published_data_root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the data root in it as data/."""
    published_data_root.root.rename(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def users(snapshot: Snapshot) -> int:
    return snapshot.rows("segment_assignments")


def test_the_page_shows_every_recipe(sample_page: Callable[[str], AppTest]) -> None:
    assert [element.value for element in sample_page("about").code] == [text.rstrip() for text in TEXTS.values()]
    assert set(TEXTS) == {"This package", "pandas", "Polars", "DuckDB"}


@pytest.mark.parametrize("tool", ["This package", "pandas", "Polars"])
def test_python_recipes_read_every_user(tool: str, users: int, working_folder: Path) -> None:
    names: dict[str, object] = {}
    exec(TEXTS[tool], names)
    segments = names["segments"]
    assert len(segments) == users  # type: ignore[arg-type]
    assert "segment_name" in segments.columns  # type: ignore[attr-defined]
    assert working_folder == Path.cwd()


def test_the_sql_recipe_counts_every_user(snapshot: Snapshot, request: pytest.FixtureRequest) -> None:
    expected = snapshot.segment_assignments()["segment_name"].value_counts().to_dict()
    request.getfixturevalue("working_folder")
    with duckdb.connect() as connection:
        rows = connection.execute(TEXTS["DuckDB"]).fetchall()
    assert {name: users for name, users, _ in rows} == expected
