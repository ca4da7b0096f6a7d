"""The recipes of the page "About the data", run as they are printed there."""

from pathlib import Path

import duckdb
import pytest

from amzseg_pipeline.app.reading_recipes import RECIPES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import opened

TEXTS = {name: text for name, _, text in RECIPES}


@pytest.fixture
def beside_data(published_data_root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the data root in it, by the name that the recipes use."""
    published_data_root.root.rename(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def users(snapshot: Snapshot) -> int:
    return snapshot.rows("segment_assignments")


@pytest.mark.usefixtures("shown_home")
def test_the_page_prints_every_recipe() -> None:
    assert [element.value for element in opened("about").code] == [text.rstrip() for text in TEXTS.values()]
    assert set(TEXTS) == {"This package", "pandas", "Polars", "DuckDB"}


@pytest.mark.parametrize("tool", ["This package", "pandas", "Polars"])
def test_a_recipe_in_python_reads_every_user(tool: str, users: int, beside_data: Path) -> None:
    names: dict[str, object] = {}
    exec(TEXTS[tool], names)
    segments = names["segments"]
    assert len(segments) == users  # type: ignore[arg-type]
    assert "segment_name" in segments.columns  # type: ignore[attr-defined]
    assert beside_data == Path.cwd()


def test_the_recipe_in_sql_counts_every_user(snapshot: Snapshot, request: pytest.FixtureRequest) -> None:
    expected = snapshot.segment_assignments()["segment_name"].value_counts().to_dict()
    request.getfixturevalue("beside_data")
    with duckdb.connect() as connection:
        rows = connection.execute(TEXTS["DuckDB"]).fetchall()
    assert {name: users for name, users, _ in rows} == expected
