"""The Amazon Sales Dataset CSV is detected by its header and becomes one row per record and reviewer.

Over 250 lines: the tables of cells of one format.
"""

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.storage.landing.formats.amazon_sales import REQUIRED_COLUMNS, SALES_CSV
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import csv_names
from amzseg_pipeline_tests.storage.landing.synthetic_exports import SALES_COLUMNS, sales_csv, tables_of

DAMAGED = RejectionReason.DAMAGED_RECORD.value
UNEQUAL = RejectionReason.UNEQUAL_LISTS.value
BAD_LINE = b"one,two\n"
IDS = ("row_number", "user_id", "review_id")


def mismatch(names: tuple[str, ...]) -> str:
    return "; ".join(SALES_CSV.match(names, is_exact=False).problems)


def rows_of(folder: Path, content: bytes) -> list[dict[str, Any]]:
    (folder / "export.csv").write_bytes(content)
    return pa.concat_tables(tables_of(SALES_CSV, folder / "export.csv")).to_pylist()


def ids_of(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in IDS) for row in rows]


def faults_of(rows: list[dict[str, Any]]) -> dict[int, str]:
    return {row["row_number"]: row["read_error"].partition("; ")[0] for row in rows if row["read_error"]}


@pytest.mark.parametrize(
    "header",
    [
        ",".join(SALES_COLUMNS),
        ",".join(REQUIRED_COLUMNS),
        ",".join(reversed(SALES_COLUMNS)),
        ",".join(f'"{name}"' for name in SALES_COLUMNS),
        ",".join(SALES_COLUMNS).upper(),
        ", ".join(SALES_COLUMNS),
        ";".join(SALES_COLUMNS),
        ",".join((*SALES_COLUMNS, "Unnamed: 0", "")),
    ],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_detects_a_header_with_the_required_columns(header: str, line_end: str) -> None:
    assert mismatch(csv_names((header + line_end + "1,2").encode())) == ""


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (
            ",".join(SALES_COLUMNS).replace("user_id", "reviewer").replace(",rating,", ","),
            "missing 'user_id', 'rating'",
        ),
        (",".join((*SALES_COLUMNS, "rating")), "repeated 'rating'"),
        (",".join((*SALES_COLUMNS, "Rating")), "repeated 'Rating'"),
        (",".join(SALES_COLUMNS).replace("rating_count", "rating_counts"), "'rating_counts' may be meant as"),
        (" ".join(SALES_COLUMNS), f"missing {', '.join(map(repr, REQUIRED_COLUMNS))}"),
        ("", "missing 'user_id', 'review_id', 'product_id'"),
        ('"' + "x\n" * 10, "missing 'user_id'"),
        ("\x00\x01", "missing 'user_id'"),
        ("x" * 65_535, "missing 'user_id'"),
    ],
)
def test_names_the_columns_of_a_mismatching_header(header: str, problem: str) -> None:
    assert mismatch(csv_names(f"{header}\n".encode())).startswith(problem)


def test_names_the_columns_of_a_header_that_is_not_utf_8() -> None:
    assert "caf\ufffd" in SALES_CSV.match(csv_names(b"caf\xe9," + sales_csv()), is_exact=False).ignored
    assert mismatch(csv_names(b"\xff" * 65_536)).startswith("missing 'user_id'")


def test_aligns_reviewers_by_user_and_review_lists(tmp_path: Path) -> None:
    export = sales_csv([{"user_id": "A, B ,C", "review_id": "R1,R2, R3", "user_name": "x,y", "review_title": ",,,,,"}])
    rows = rows_of(tmp_path, export)
    assert ids_of(rows) == [(1, "A", "R1"), (1, "B", "R2"), (1, "C", "R3")]
    assert {row["item_id"] for row in rows} == {"B000000001"}
    assert rows[0] == {
        "row_number": 1,
        "read_error": None,
        "user_id": "A",
        "user_hash": int(hashlib.md5(b"A").hexdigest()[:8], 16),
        "review_id": "R1",
        "item_id": "B000000001",
        "rating": "4.2",
        "rating_count": "24,269",
        "paid_price": "₹399",
        "list_price": "₹1,099",
        "discount_percent": "64%",
        "category": "Electronics|Cables",
        "currency": "INR",
    }


@pytest.mark.parametrize(
    ("given_text", "raw_text"),
    [
        *((text, text) for text in ("na", "Null", "00123", "1e3", "|", "=1+1", "true", '4"', "-5")),
        *((text, "4.1") for text in ("  4.1\t", "\u00a04.1\u00a0", "\n4.1")),
        *((text, None) for text in ("", "  ", "NA", "null", "NaN")),
    ],
)
def test_values_stay_text(tmp_path: Path, given_text: str, raw_text: str | None) -> None:
    for column in ("rating", "rating_count", "discount_percentage"):
        [row, _] = rows_of(tmp_path, sales_csv([{column: given_text}]))
        assert row["discount_percent" if column == "discount_percentage" else column] == raw_text
        assert row["read_error"] is None


@pytest.mark.parametrize(
    ("user_ids", "review_ids", "pairs"),
    [
        ("A", "R", [("A", "R")]),
        ("A,,C", "R1,R2,R3", [("A", "R1"), (None, "R2"), ("C", "R3")]),
        ("A,B", ",", [("A", None), ("B", None)]),
        ("A,B,", "R1,R2,", [("A", "R1"), ("B", "R2"), (None, None)]),
        ("", "", [(None, None)]),
        ("A,A", "R,R", [("A", "R"), ("A", "R")]),
    ],
)
def test_lists_of_equal_length_give_one_row_each(
    tmp_path: Path, user_ids: str, review_ids: str, pairs: list[tuple[str | None, str | None]]
) -> None:
    rows = rows_of(tmp_path, sales_csv([{"user_id": user_ids, "review_id": review_ids}]))
    assert [(row["user_id"], row["review_id"]) for row in rows] == pairs
    assert all((row["user_hash"] is None) == (row["user_id"] is None) for row in rows)
    assert not faults_of(rows)


@pytest.mark.parametrize(("user_ids", "review_ids"), [("A,B", "R1"), ("A", "R1,R2"), ("A,B", ""), ("A,B,", "R1,R2")])
def test_lists_of_unequal_length_give_one_fault(tmp_path: Path, user_ids: str, review_ids: str) -> None:
    rows = rows_of(tmp_path, sales_csv([{}, {"user_id": user_ids, "review_id": review_ids}, {}]))
    assert [row["row_number"] for row in rows] == [1, 1, 2, 3, 3]
    assert faults_of(rows) == {2: UNEQUAL}
    assert {value for name, value in rows[2].items() if name not in ("row_number", "read_error")} == {None}


@pytest.mark.parametrize(
    "line",
    [
        BAD_LINE,
        b"," * 16 + b"\n",
        b"," * 14 + b"\n",
        b'"' + b"," * 15 + b'"\n',
        b" \n",
        b'""\n',
        b"half a\rrecord" + b"," * 14 + b"\n",
        sales_csv([]),
    ],
    ids=["two fields", "one too many", "one too few", "all in one", "a space", "nothing quoted", "torn", "a header"],
)
def test_a_damaged_record_gives_one_fault_at_its_number(tmp_path: Path, line: bytes) -> None:
    header, first, second = sales_csv([]), *(sales_csv([{}]).split(b"\n", 1)[1] for _ in range(2))
    rows = rows_of(tmp_path, header + first + line + b"\n" + second)
    damaged = [2, 3] if b"\r" in line else [2]
    assert faults_of(rows) == dict.fromkeys(damaged, DAMAGED)
    assert [row["row_number"] for row in rows] == [1, 1, *damaged, damaged[-1] + 1, damaged[-1] + 1]
    assert {rows[2][name] for name in rows[2] if name not in ("row_number", "read_error")} == {None}


def test_damaged_records_at_the_start_and_end(tmp_path: Path) -> None:
    header, record = sales_csv([]), sales_csv([{}]).split(b"\n", 1)[1]
    assert list(faults_of(rows_of(tmp_path, header + BAD_LINE + record + BAD_LINE * 2))) == [1, 3, 4]
    assert list(faults_of(rows_of(tmp_path, header + BAD_LINE * 3))) == [1, 2, 3]


def test_record_numbers_continue_across_blocks(tmp_path: Path) -> None:
    header, record = sales_csv([]), sales_csv([{"about_product": "x\n" * 10_000}]).split(b"\n", 1)[1]
    is_damaged = [number % 7 in (0, 1) or 200 < number < 260 for number in range(1, 601)]
    rows = rows_of(tmp_path, header + b"".join(BAD_LINE if damaged else record for damaged in is_damaged))
    assert [row["row_number"] for row in rows] == [
        number for number, damaged in enumerate(is_damaged, start=1) for _ in range(1 if damaged else 2)
    ]
    assert set(faults_of(rows)) == {number for number, damaged in enumerate(is_damaged, start=1) if damaged}


def test_reads_a_record_with_many_reviewers_in_slices(tmp_path: Path) -> None:
    count = 30_000
    users, reviews = (",".join(f"{letter}{number}" for number in range(count)) for letter in "UR")
    (tmp_path / "export.csv").write_bytes(sales_csv([{"user_id": users, "review_id": reviews}]))
    tables = tables_of(SALES_CSV, tmp_path / "export.csv")
    assert max(len(table) for table in tables) < 10_000
    rows = pa.concat_tables(tables).to_pylist()
    assert ids_of(rows) == [(1, f"U{number}", f"R{number}") for number in range(count)]


@pytest.mark.parametrize(
    ("paid", "listed", "currency"),
    [
        ("₹399", "₹1,099", "INR"),
        ("$3.99", "", "USD"),
        ("", "€ 5", "EUR"),
        (" £5", "6", "GBP"),
        ("399", "1,099", None),
        ("", "", None),
        ("5 per ₹", "free", None),
    ],
)
def test_reads_the_currency_from_the_price_symbol(tmp_path: Path, paid: str, listed: str, currency: str | None) -> None:
    [row, _] = rows_of(tmp_path, sales_csv([{"discounted_price": paid, "actual_price": listed}]))
    assert row["currency"] == currency


def test_refuses_two_currencies_in_one_record(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="record 2: list_price is in INR but the currency is USD"):
        rows_of(tmp_path, sales_csv([{}, {"discounted_price": "$5"}]))


def test_refuses_a_value_that_is_too_long(tmp_path: Path) -> None:
    assert rows_of(tmp_path, sales_csv([{"category": "x" * MAX_TEXT_BYTES}]))
    with pytest.raises(RefusedInput, match="record 3: category is longer than 4,096 bytes"):
        rows_of(tmp_path, sales_csv([{}, {}, {"category": "x" * (MAX_TEXT_BYTES + 1)}]))


def test_refuses_a_header_without_records(tmp_path: Path) -> None:
    for end in (b"", b"\n\r\n"):
        with pytest.raises(RefusedInput, match="a header but no record"):
            rows_of(tmp_path, sales_csv([]) + end)


def test_refuses_a_file_cut_inside_a_record(tmp_path: Path) -> None:
    complete = sales_csv([{}, {}])
    starts_of_records = {len(sales_csv([])), len(sales_csv([{}])), len(complete)}
    for size in range(len(sales_csv([])) + 1, len(complete)):
        if size not in starts_of_records:
            with pytest.raises(RefusedInput, match="looks cut"):
                rows_of(tmp_path, complete[:size])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ignores_byte_order_marks_and_line_end_styles(tmp_path: Path, mark: bytes, line_end: str) -> None:
    cases: list[dict[str, str]] = [{}, {"rating": ""}, {"user_id": "A"}]
    assert rows_of(tmp_path, mark + sales_csv(cases, line_end=line_end)) == rows_of(tmp_path, sales_csv(cases))


def test_reads_a_plain_csv_named_gz(tmp_path: Path) -> None:
    (tmp_path / "export.csv.gz").write_bytes(sales_csv())
    assert len(pa.concat_tables(tables_of(SALES_CSV, tmp_path / "export.csv.gz"))) == 2


VALUES = ("discounted_price", "actual_price", "discount_percentage", "rating", "rating_count")
text = st.text(st.sampled_from('abc,"\n\r ₹é1|='), max_size=8)
records = st.lists(
    st.fixed_dictionaries({name: text for name in SALES_COLUMNS if name not in VALUES}), min_size=1, max_size=6
)
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(records)
def test_reads_every_cell_as_written(tmp_path: Path, records: list[dict[str, str]]) -> None:
    rows = rows_of(tmp_path, sales_csv(records, line_end="\r\n"))
    for number, record in enumerate(records, start=1):
        mine = [row for row in rows if row["row_number"] == number]
        users, reviews = (record[name].split(",") for name in ("user_id", "review_id"))
        if len(users) != len(reviews):
            assert [row["read_error"].partition("; ")[0] for row in mine] == [UNEQUAL]
            continue
        assert [row["user_id"] for row in mine] == [user.strip() or None for user in users]
        assert [row["review_id"] for row in mine] == [review.strip() or None for review in reviews]
        for theirs, ours in (("product_id", "item_id"), ("category", "category")):
            assert {row[ours] for row in mine} == {record[theirs].strip() or None}


@quick
@given(records, st.integers(0, 6))
def test_a_split_export_gives_the_same_rows(tmp_path: Path, records: list[dict[str, str]], at: int) -> None:
    def content(some: list[dict[str, str]]) -> Counter[tuple[Any, ...]]:
        rows = rows_of(tmp_path, sales_csv(some, line_end="\r\n")) if some else []
        return Counter(tuple(value for name, value in row.items() if name != "row_number") for row in rows)

    assert content(records[:at]) + content(records[at:]) == content(records)


@quick
@given(st.data())
def test_damaged_bytes_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(sales_csv([{}, {}], line_end=data.draw(st.sampled_from(["\n", "\r\n"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(sales_csv([])), len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(st.sampled_from([b'"', b",", b"\n", b"\r", b"\0", b'""', b"\xff"]), st.binary(max_size=3))
        )
    try:
        rows = rows_of(tmp_path, bytes(content))
    except RefusedInput:
        return
    body = list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]
    assert rows[-1]["row_number"] == len([record for record in body if record])


def test_does_not_quote_a_first_line_that_is_not_a_header() -> None:
    line = sales_csv().splitlines()[2].decode()
    assert "Bob" in line
    assert mismatch(csv_names(line.encode())) == f"missing {', '.join(map(repr, REQUIRED_COLUMNS))}"
