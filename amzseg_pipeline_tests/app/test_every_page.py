"""Properties of every page."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import amzseg_pipeline
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.app.pages import MAIN, PAGES, errors, opened, prose

PACKAGE = Path(amzseg_pipeline.__file__).parent
COLUMN_NAMES = {column.name for table in TABLES.values() for column in table.columns if "_" in column.name}
HEAVY_PACKAGES = {"dagster", "joblib", "sklearn", "seaborn", "matplotlib", "scipy"}
PAGES_ABOUT_FILES = {"score_file", "about"}


def test_navigation_lists_every_page() -> None:
    assert set(PAGES) == {"overview", "segments", "score_user", "find_user", "score_file", "plots", "about"}


@pytest.mark.parametrize("page", PAGES)
def test_pages_open_and_name_their_snapshot(sample_page: Callable[[str], AppTest], page: str) -> None:
    session = sample_page(page)
    assert errors(session) == []
    assert len(session.title) == 1
    assert "Snapshot 1 ·" in prose(session)


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_no_column_names(sample_page: Callable[[str], AppTest], page: str) -> None:
    session = sample_page(page)
    if page not in PAGES_ABOUT_FILES:
        assert set(prose(session).replace("`", " ").split()) & COLUMN_NAMES == set()
    for table in session.dataframe:
        assert COLUMN_NAMES & set(table.value.columns) == set()
        assert all(str(name)[:1].isupper() for name in table.value.columns)


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize("page", ["overview", "segments", "score_user"])  # those with charts
def test_pages_open_in_the_dark_theme(page: str) -> None:
    session = opened(page)
    session.context["theme"] = "dark"
    assert errors(session.run()) == []


def test_the_app_imports_no_heavy_packages(sample_data_root: DataRoot) -> None:
    script = f"""
import pickle, sys
from streamlit.testing.v1 import AppTest
session = AppTest.from_file({str(MAIN)!r}, default_timeout=60).run()
for page in {PAGES!r}:
    session.switch_page(f"app_pages/{{page}}.py").run()
    assert not session.exception and not session.error, page
print(*sorted({{name.split(".")[0] for name in sys.modules}} & {HEAVY_PACKAGES!r}))
"""
    environment = {**os.environ, "AMZSEG_DATA": str(sample_data_root.root)}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_no_other_package_imports_the_app() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.is_relative_to(PACKAGE / "app"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            imports = {name for name in (module, *names) if name.startswith(("streamlit", "amzseg_pipeline.app"))}
            assert not imports, f"{path} imports {imports}"


def test_only_components_write_html() -> None:
    for path in (PACKAGE / "app").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "unsafe_allow" not in text
        if path.name != "components.py":
            assert "st.html" not in text
