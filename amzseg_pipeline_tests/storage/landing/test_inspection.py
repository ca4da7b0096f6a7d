"""`inspect` shows how a file would be read, and writes nothing."""

import time
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.inspection import inspection_lines
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    csv_of,
    json_lines,
    parquet,
    review_2023,
    sales_row,
)


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
    assert "records: 3, rows: 5, of which rejected: 1" in lines
    assert "paid_price: '₹399'" in lines
    assert "assumed: semicolons separate the values" in lines
    assert any(line.startswith("columns ignored: product_name") for line in lines)
    unreadable = "unreadable: rating: 2 values are not a rating from 1 to 5 with at most one decimal, such as '|'"
    assert unreadable in lines


def test_never_shows_names_titles_or_texts(tmp_path: Path) -> None:
    text = "\n".join(inspected(tmp_path, csv_of([sales_row(1)])))
    assert not any(secret in text for secret in ("Ann", "Bob", "Works", "Very good", "braided"))


def test_names_of_columns_contain_no_commands_for_a_terminal(tmp_path: Path) -> None:
    row = {"user_id": "A", "item_id": "B", "rating": "5", "paid_price": "9.50", "currency": "USD"}
    lines = inspected(tmp_path, csv_of([row | {"x\x1b]0;y\x07\x9b": ""}]))
    assert r"columns ignored: x\x1b]0;y\x07\x9b" in lines
    assert not any(ord(character) < 32 for line in lines for character in line)


def test_shows_parquet_that_is_read_in_place(tmp_path: Path) -> None:
    lines = inspected(tmp_path, parquet([review_2023(1), review_2023(2)]))
    assert lines[:2] == ["a.csv: Amazon Reviews 2023 parquet", "file: parquet"]
    assert "records: 2, rows: 2, of which rejected: 0" in lines


def test_shows_rejected_rows_with_column_rule_and_value(tmp_path: Path) -> None:
    odd = [{"rating": "five"}, {"timestamp": "soon"}, {"user_id": 17}, {"user_id": ""}, {"timestamp": 0}]
    lines = inspected(tmp_path, json_lines([review_2023(1), *(review_2023(2, **values) for values in odd)]))
    assert "records: 6, rows: 6, of which rejected: 4" in lines
    [damaged, missing] = [line for line in lines if line.startswith("rejected: ")]
    assert damaged.startswith("rejected: 3 rows: unreadable record: its fields do not match the format, such as: ")
    for details in (
        'rating is not a number but "five"',
        'timestamp is not a number, an ISO 8601 time or an RFC date but "soon"',
        "user_id is not a text in quotes of at most 4,096 bytes",
    ):
        assert details in damaged
    assert missing == "rejected: 1 rows: the user id is empty"
    rule = "a time from 1995 to 2099 in milliseconds since 1970"
    assert f"unreadable: reviewed_at: 1 values are not {rule}, such as '0'" in lines


def test_shows_an_unreadable_price_as_it_is_in_the_file(tmp_path: Path) -> None:
    lines = inspected(tmp_path, csv_of([sales_row(1), sales_row(2, actual_price="1.234,5 or less")]))
    assert any(line.endswith("at most two decimals, such as '1.234,5 or less'") for line in lines)


def test_says_what_a_rating_is(tmp_path: Path) -> None:
    assert any("mean rating of the product" in line for line in inspected(tmp_path, csv_of([sales_row(1)])))


@pytest.mark.parametrize("name", ["README.txt", "desktop.ini", "~$a.xlsx", "_SUCCESS", "a.csv.filepart"])
def test_says_which_files_a_run_skips(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"[x]")
    [line] = inspection_lines(tmp_path / name, Settings(), now=time.time())
    assert line.startswith(f"{name}: a run skips this file: ")


def test_refuses_parquet_that_the_engine_cannot_open() -> None:
    path = Path(__file__).parent / "cases" / "parquet_damaged_footer" / "x.parquet"
    with pytest.raises(RefusedInput, match="the parquet file is damaged or cut"):
        inspection_lines(path, Settings(), now=time.time())


def test_names_a_missing_or_empty_file(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"a\.csv: the file is empty; deliver it again"):
        inspected(tmp_path, b"")
    with pytest.raises(RefusedInput, match=r"b\.csv: there is no such file"):
        inspection_lines(tmp_path / "b.csv", Settings(), now=time.time())


def test_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="of no known format"):
        inspected(tmp_path, b"a,b\n1,2\n")
