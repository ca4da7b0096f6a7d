"""The canonical form as CSV and Parquet: one review per record, identified by id or by user, item and time."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RejectionReason
from amzseg_pipeline.storage.landing.formats.canonical import CANONICAL_CSV, CANONICAL_PARQUET, COLUMNS
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline_tests.storage.landing.synthetic_exports import canonical_csv, opened, parquet, tables_of

TEMPLATE = Path(__file__).parents[4] / "docs" / "template_canonical.csv"
TEXTS = {"user_id": "U1", "item_id": "I1", "rating": "4.5", "paid_price": "12.99", "currency": "USD"}


def rows_of(export_format: ParsedFormat, folder: Path, content: bytes) -> list[dict[str, Any]]:
    (folder / "a").write_bytes(content)
    return pa.concat_tables(tables_of(export_format, folder / "a")).to_pylist()


def csv_rows(folder: Path, *rows: Mapping[str, str]) -> list[dict[str, Any]]:
    return rows_of(CANONICAL_CSV, folder, canonical_csv(rows))


def parquet_rows(folder: Path, *rows: Mapping[str, Any], **types: pa.DataType) -> list[dict[str, Any]]:
    return rows_of(CANONICAL_PARQUET, folder, parquet([TEXTS | dict(row) for row in rows], types))


def test_a_record_becomes_a_complete_row(tmp_path: Path) -> None:
    said = {
        "review_id": "R1",
        "list_price": "20",
        "discount_percent": "35%",
        "rating_count": "1,000",
        "category": "A|B",
        "reviewed_at": "1588687728923",
    }
    [row] = csv_rows(tmp_path, said)
    assert row == TEXTS | said | {
        "row_number": 1,
        "read_error": None,
        "user_hash": int(hashlib.md5(b"U1").hexdigest()[:8], 16),
    }


def test_the_shipped_template_is_canonical(tmp_path: Path) -> None:
    assert format_of(opened(TEMPLATE))[0] is CANONICAL_CSV
    rows = rows_of(CANONICAL_CSV, tmp_path, TEMPLATE.read_bytes())
    assert rows
    assert not any(row["read_error"] for row in rows)
    assert set(TEMPLATE.read_text().splitlines()[0].split(",")) == set(COLUMNS)


def test_damaged_records_keep_their_numbers(tmp_path: Path) -> None:
    header, first, second = canonical_csv([{}, {}]).split(b"\n")[:3]
    rows = rows_of(CANONICAL_CSV, tmp_path, b"\n".join([header, first, b"a,b", header, second]) + b"\n")
    assert [(row["row_number"], row["user_id"]) for row in rows] == [(1, "U1"), (2, None), (3, None), (4, "U2")]
    details = ("it has 2 cells and the header 5", "it repeats the header")
    assert [row["read_error"] for row in rows] == [
        None,
        *(f"{RejectionReason.DAMAGED_RECORD.value}; {found}" for found in details),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2020-05-05T14:08:48.923Z", "1588687728923"),
        ("2020-05-05T14:08:48.923456", "1588687728923"),
        ("2020-05-05T16:08:48+02:00", "1588687728000"),
        ("2020-05-05 14:08:48-0000", "1588687728000"),
        ("2020-05-05 14:08", "1588687680000"),
        ("2020-05-05", "1588636800000"),
        ("1970-01-01T00:00:00Z", "0"),
        ("1969-12-31T23:59:59.999Z", "-1"),
        ("1588687728923", "1588687728923"),
        *((text, text) for text in ("2020-02-30", "2020-05-05T25:00", "2020-W19-2", "soon")),
        ("", None),
    ],
)
def test_converts_iso_8601_to_milliseconds(tmp_path: Path, text: str, milliseconds: str | None) -> None:
    [row] = csv_rows(tmp_path, {"review_id": "R", "reviewed_at": text})
    assert row["reviewed_at"] == milliseconds


def test_makes_a_review_id_from_item_and_time(tmp_path: Path) -> None:
    at = {"user_id": "U", "item_id": "I", "reviewed_at": "2020-05-05T14:08:48.923Z"}
    rows = csv_rows(tmp_path, at, at | {"rating": "1", "reviewed_at": "1588687728923"}, at | {"item_id": "J"})
    assert [row["review_id"] for row in rows] == ["I@1588687728923", "I@1588687728923", "J@1588687728923"]


@pytest.mark.parametrize("times", [{}, {"reviewed_at": ""}])
def test_without_id_and_time_only_identical_records_are_equal(tmp_path: Path, times: dict[str, str]) -> None:
    base = {"user_id": "U", "item_id": "I", **times}
    first, same, other = csv_rows(tmp_path, base, base, base | {"rating": "1"})
    assert first["review_id"] == same["review_id"] != other["review_id"]


def test_does_not_invent_a_missing_review_id(tmp_path: Path) -> None:
    rows = csv_rows(tmp_path, {"review_id": "R1"}, {"review_id": ""})
    assert [row["review_id"] for row in rows] == ["R1", None]


@pytest.mark.parametrize(
    ("cells", "currency"),
    [
        ({"currency": "EUR"}, "EUR"),
        ({"currency": "usd"}, "USD"),
        ({"currency": "", "paid_price": "5 eur"}, "EUR"),
        ({"currency": "", "paid_price": "CAD 5"}, "CAD"),
        ({"currency": "INR", "paid_price": "₹399"}, "INR"),
        ({"currency": "", "paid_price": "$5"}, "USD"),
        ({"currency": "", "paid_price": "5", "list_price": "£6"}, "GBP"),
        ({"currency": "", "paid_price": "5"}, None),
    ],
)
def test_reads_the_stated_currency_or_the_symbol(tmp_path: Path, cells: dict[str, str], currency: str | None) -> None:
    [row] = csv_rows(tmp_path, cells)
    assert row["currency"] == currency


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"currency": "dollars"}, "record 2: currency 'dollars' is not an ISO 4217 code"),
        ({"currency": "USD", "paid_price": "₹5"}, "record 2: paid_price is in INR but the currency is USD"),
        (
            {"currency": "", "paid_price": "$5", "list_price": "₹6"},
            "record 2: list_price is in INR but the currency",
        ),
        ({"category": "x" * 5000}, "record 2: category is longer than 4,096 bytes"),
    ],
)
def test_refuses_contradictory_currencies(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    with pytest.raises(RefusedInput, match=message):
        csv_rows(tmp_path, dict.fromkeys(cells, ""), cells)


@pytest.mark.parametrize(
    ("name", "value", "kind", "text"),
    [
        ("user_id", 17, pa.int64(), "17"),
        ("user_id", "U", pa.large_string(), "U"),
        ("user_id", "U", pa.dictionary(pa.int32(), pa.string()), "U"),
        ("rating", 4.5, pa.float64(), "4.5"),
        ("rating", 4.2, pa.float32(), "4.2"),
        ("rating", 5, pa.int8(), "5"),
        ("paid_price", 12.5, pa.float64(), "12.5"),
        ("paid_price", Decimal("1250.00"), pa.decimal128(9, 2), "1250.00"),
        ("paid_price", "$1,250.00", pa.string(), "$1,250.00"),
        ("list_price", None, pa.null(), None),
        ("discount_percent", 35.5, pa.float64(), "35.5"),
        ("rating_count", 1000, pa.int32(), "1000"),
        ("reviewed_at", 1_588_687_728_923, pa.int64(), "1588687728923"),
        ("reviewed_at", datetime(2020, 5, 5, 14, 8, 48, 923_000), pa.timestamp("us"), "1588687728923"),
        ("reviewed_at", datetime(2020, 5, 5, 14, 8, 48, 923_000), pa.timestamp("ns"), "1588687728923"),
        (
            "reviewed_at",
            datetime(2020, 5, 5, 16, 8, 48, tzinfo=timezone(timedelta(hours=2))),
            pa.timestamp("ms", "Europe/Paris"),
            "1588687728000",
        ),
        ("reviewed_at", date(2020, 5, 5), pa.date32(), "1588636800000"),
        ("reviewed_at", "2020-05-05", pa.string(), "1588636800000"),
    ],
)
def test_reads_parquet_columns_of_any_suitable_type(
    tmp_path: Path, name: str, value: Any, kind: pa.DataType, text: str | None
) -> None:
    row, _ = parquet_rows(tmp_path, {name: value}, {name: None}, **{name: kind})
    assert row[name] == text
    assert (row["row_number"], row["paid_price"] is not None, row["currency"]) == (1, True, "USD")


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("rating", pa.bool_(), True),
        ("user_id", pa.float64(), 1.0),
        ("user_id", pa.binary(), b"U"),
        ("item_id", pa.null(), None),
    ],
)
def test_refuses_a_column_of_an_unsuitable_type(tmp_path: Path, name: str, kind: pa.DataType, value: object) -> None:
    with pytest.raises(RefusedInput, match=f"column {name} is .*; write it as"):
        parquet_rows(tmp_path, {name: value}, **{name: kind})


texts = st.text(st.sampled_from('abc,"\n ₹é1|='), max_size=6)
_PRICES = ("paid_price", "list_price")
columns = [n for n in COLUMNS if n not in ("currency", "reviewed_at", "discount_percent", "rating", *_PRICES)]
prices = st.sampled_from(["", "12.50", "3", "="])
records = st.lists(
    st.fixed_dictionaries(dict.fromkeys(columns, texts) | dict.fromkeys(_PRICES, prices)), min_size=1, max_size=6
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records)
def test_csv_and_parquet_give_the_same_rows(tmp_path: Path, records: list[dict[str, str]]) -> None:
    from_csv = csv_rows(tmp_path, *records)
    assert parquet_rows(tmp_path, *records) == from_csv
    for row, record in zip(from_csv, records, strict=True):
        expected = {name: text.strip() or None for name, text in record.items()}
        expected |= {name: "unreadable =" for name in _PRICES if record[name] == "="}
        assert {name: row[name] for name in record} == expected
