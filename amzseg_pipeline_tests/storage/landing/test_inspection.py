"""`inspect` shows how a file would be read, and writes nothing."""

import time
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.inspection import inspection_lines
from amzseg_pipeline_tests.storage.landing.synthetic_exports import csv_of, parquet, review_2023, sales_row


def inspected(folder: Path, content: bytes) -> list[str]:
    (folder / "a.csv").write_bytes(content)
    lines = inspection_lines(folder / "a.csv", Settings(), now=time.time())
    assert [path.name for path in folder.iterdir()] == ["a.csv"]
    return lines


def test_shows_format_columns_values_counts_and_assumptions(tmp_path: Path) -> None:
    prices = {"actual_price": "₹1,099.50"}
    rows = [sales_row(1, **prices), sales_row(2, rating="|", **prices), sales_row(3, user_id="A", **prices)]
    lines = inspected(tmp_path, csv_of(rows, delimiter=";"))
    assert lines[0] == "a.csv: Amazon Sales Dataset CSV"
    assert "file: CSV, UTF-8, values separated by semicolons" in lines
    assert "records: 3, rows: 5, of which unreadable: 1" in lines
    assert "paid_price: '₹399'" in lines
    assert "assumed: semicolons separate the values" in lines
    assert any(line.startswith("columns ignored: product_name") for line in lines)
    unreadable = "unreadable: rating: 2 values are not a rating from 1 to 5 with at most one decimal, such as '|'"
    assert unreadable in lines


def test_never_shows_names_titles_or_texts(tmp_path: Path) -> None:
    text = "\n".join(inspected(tmp_path, csv_of([sales_row(1)])))
    assert not any(secret in text for secret in ("Ann", "Bob", "Works", "Very good", "braided"))


def test_shows_parquet_that_is_read_in_place(tmp_path: Path) -> None:
    lines = inspected(tmp_path, parquet([review_2023(1), review_2023(2)]))
    assert lines[:2] == ["a.csv: Amazon Reviews 2023 parquet", "file: parquet"]
    assert "records: 2, rows: 2, of which unreadable: 0" in lines


def test_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="of no known format"):
        inspected(tmp_path, b"a,b\n1,2\n")
