import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import amzseg_pipeline
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.app.pages import MAIN, PAGES, errors, opened, prose

PACKAGE = Path(amzseg_pipeline.__file__).parent
RAW_NAMES = {column.name for table in TABLES.values() for column in table.columns if "_" in column.name}
HEAVY = {"dagster", "joblib", "sklearn", "seaborn", "matplotlib", "scipy"}
SPEAKS_OF_FILES = {"score_file", "about"}


def test_the_pages_are_those_of_the_navigation() -> None:
    assert set(PAGES) == {"overview", "segments", "score_user", "find_user", "score_file", "plots", "about"}


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_without_an_error_and_says_which_snapshot_it_shows(page: str) -> None:
    session = opened(page)
    assert errors(session) == []
    assert len(session.title) == 1
    assert "Snapshot 1 ·" in prose(session)
    assert "just now" in prose(session)


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize("page", sorted(set(PAGES) - SPEAKS_OF_FILES))
def test_no_page_shows_the_name_of_a_column(page: str) -> None:
    words = set(prose(opened(page)).replace("`", " ").split())
    assert words & RAW_NAMES == set()


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize("page", PAGES)
def test_tables_of_data_have_headings_for_people(page: str) -> None:
    for table in opened(page).dataframe:
        assert RAW_NAMES & set(table.value.columns) == set()
        assert all(str(name)[:1].isupper() for name in table.value.columns)


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_in_either_theme(page: str) -> None:
    session = opened(page)
    for theme in ("light", "dark"):
        session.context["theme"] = theme
        assert errors(session.run()) == []


def test_the_app_never_imports_dagster_and_unpickles_nothing(shown_data_root: DataRoot) -> None:
    script = f"""
import pickle, sys
from streamlit.testing.v1 import AppTest
session = AppTest.from_file({str(MAIN)!r}, default_timeout=60).run()
for page in {PAGES!r}:
    session.switch_page(f"app_pages/{{page}}.py").run()
    assert not session.exception and not session.error, page
print(*sorted({{name.split(".")[0] for name in sys.modules}} & {HEAVY!r}))
"""
    environment = {**os.environ, "AMZSEG_DATA": str(shown_data_root.root)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_no_other_room_needs_the_app() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "app"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            found = {name for name in (module, *names) if name.startswith(("streamlit", "amzseg_pipeline.app"))}
            assert not found, f"{path} imports {found}"


def test_text_of_other_people_is_never_put_into_html_or_markdown_with_html() -> None:
    for path in (PACKAGE / "app").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "unsafe_allow" not in text
        if path.name != "pieces.py":
            assert "st.html" not in text
