import re
from pathlib import Path

import duckdb
import pytest

from amzseg_pipeline.cli.contract_page import PAGE, contract_page
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline_tests.storage.snapshots.runs import publish_run

PAGE_IN_REPOSITORY = Path(__file__).parents[2] / PAGE


def test_contract_page_in_docs_is_up_to_date() -> None:
    assert PAGE_IN_REPOSITORY.read_text(encoding="utf-8") == contract_page(), "run make contract"


def test_page_describes_every_published_column() -> None:
    page = contract_page()
    for table in PUBLISHED_TABLES:
        _, _, section = page.partition(f"## {table.name}.parquet\n")
        described = re.findall(r"^\| `(\w+)` \|.* \| (yes|no) \| .+ \|$", section.partition("\n## ")[0], re.MULTILINE)
        assert described == [(column.name, "yes" if column.nullable else "no") for column in table.columns]


def _examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", contract_page(), re.DOTALL)


@pytest.mark.parametrize("example", _examples("python"))
def test_python_examples_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    publish_run(tmp_path / "data/published", 1, users=20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMZSEG_DATA", raising=False)
    names: dict[str, object] = {}
    exec(example, names)
    assert len(names["segments"]) == 20


def test_duckdb_example_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_run(tmp_path / "data/published", 1, users=21)
    monkeypatch.chdir(tmp_path)
    (example,) = _examples("sql")
    with duckdb.connect() as connection:
        rows = connection.execute(example).fetchall()
    assert [(name, users) for name, users, _ in rows] == [("Deal Seekers", 11), ("Casual Buyers", 10)]
