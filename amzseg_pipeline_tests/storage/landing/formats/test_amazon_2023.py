"""Amazon Reviews 2023 and item metadata, as JSON Lines and Parquet."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.amazon_2023 import ITEMS_2023, ITEMS_2023_PARQUET, REVIEWS_2023
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    item_2023,
    json_lines,
    parquet,
    review_2023,
    tables_of,
)


def rows_of(export_format: ParsedFormat, folder: Path, content: bytes) -> list[dict[str, Any]]:
    (folder / "a").write_bytes(content)
    return pa.concat_tables(tables_of(export_format, folder / "a")).to_pylist()


def test_a_review_is_identified_by_parent_item_and_millisecond(tmp_path: Path) -> None:
    [row] = rows_of(REVIEWS_2023, tmp_path, json_lines([review_2023(7)]))
    assert row == {
        "row_number": 1,
        "read_error": None,
        "user_id": "A7",
        "user_hash": int(hashlib.md5(b"A7").hexdigest()[:8], 16),
        "item_id": "B000000007",
        "review_id": "B000000007@1588687728930",
        "rating": "5.0",
        "reviewed_at": "1588687728930",
    }


@pytest.mark.parametrize(
    ("values", "is_same"),
    [
        ({}, True),
        ({"rating": 1.0, "text": "Broken", "asin": "V2", "helpful_vote": 7}, True),
        ({"timestamp": 1}, False),
        ({"parent_asin": "B2"}, False),
    ],
)
def test_duplicates_have_the_same_review_id(tmp_path: Path, values: dict[str, Any], is_same: bool) -> None:
    first, second = rows_of(REVIEWS_2023, tmp_path, json_lines([review_2023(), review_2023() | values]))
    assert (first["review_id"] == second["review_id"]) == is_same


def test_a_null_is_not_damage(tmp_path: Path) -> None:
    records = [review_2023() | {name: None} for name in ("user_id", "parent_asin", "rating", "timestamp")]
    rows = rows_of(REVIEWS_2023, tmp_path, json_lines(records))
    assert not any(row["read_error"] for row in rows)
    complete = "B000000001@1588687728924"
    assert [row["review_id"] for row in rows] == [complete, "@1588687728924", complete, None]
    assert rows[0]["user_hash"] is None


ITEMS = [
    ({"price": 12.99}, "12.99", "USD"),
    ({"price": 0.0}, "0.0", "USD"),
    ({"price": 7}, "7", "USD"),
    ({"price": None}, None, None),
    ({"price": "None"}, None, None),
    ({"price": "$12.99"}, "$12.99", "USD"),
    ({"price": "from 14.99"}, "from 14.99", "USD"),
    ({"price": "—"}, "—", "USD"),
]


@pytest.mark.parametrize(("values", "text", "currency"), ITEMS)
def test_reads_item_prices_of_any_type(
    tmp_path: Path, values: dict[str, Any], text: str | None, currency: str | None
) -> None:
    [row] = rows_of(ITEMS_2023, tmp_path, json_lines([item_2023() | values]))
    expected = {
        "row_number": 1,
        "read_error": None,
        "item_id": "B000000001",
        "price": text,
        "currency": currency,
        "category": "Beauty|Hair",
    }
    assert row == expected
    [from_parquet] = rows_of(ITEMS_2023_PARQUET, tmp_path, parquet([item_2023(details="{}") | values]))
    amount = from_parquet.pop("price")
    assert amount == text or float(amount) == float(text or "nan")
    assert {"read_error": None, **from_parquet, "price": text} == expected


@pytest.mark.parametrize(
    ("values", "category"),
    [
        ({"categories": []}, "All Beauty"),
        ({"categories": None}, "All Beauty"),
        ({"categories": [], "main_category": None}, None),
        ({"categories": ["A|B", "C"]}, "A|B|C"),
    ],
)
def test_uses_the_main_category_when_there_is_no_other(
    tmp_path: Path, values: dict[str, Any], category: str | None
) -> None:
    [row] = rows_of(ITEMS_2023, tmp_path, json_lines([item_2023() | values]))
    assert row["category"] == category
    types = {"categories": pa.list_(pa.string()), "main_category": pa.string()}
    [row] = rows_of(ITEMS_2023_PARQUET, tmp_path, parquet([item_2023(details="{}") | values], types))
    assert row["category"] == category


def test_reads_parquet_items_with_the_types_of_common_writers(tmp_path: Path) -> None:
    records = [item_2023(number, details="{}") for number in (1, 2)]
    for types in (
        {"price": pa.float32()},
        {"price": pa.string()},
        {"price": pa.decimal128(9, 2)},
        {"price": pa.large_string(), "parent_asin": pa.large_string(), "categories": pa.large_list(pa.large_string())},
        {"parent_asin": pa.dictionary(pa.int32(), pa.string()), "main_category": pa.null()},
    ):
        base = [record | ({"main_category": None} if "main_category" in types else {}) for record in records]
        rows = rows_of(ITEMS_2023_PARQUET, tmp_path, parquet(base, types))
        assert [(row["item_id"], row["price"], row["category"]) for row in rows] == [
            ("B000000001", "12.99", "Beauty|Hair"),
            ("B000000002", "12.99", "Beauty|Hair"),
        ]


def test_parquet_items_require_only_id_and_price(tmp_path: Path) -> None:
    [row] = rows_of(ITEMS_2023_PARQUET, tmp_path, parquet([{"parent_asin": "B1", "price": 5.0}]))
    assert (row["item_id"], row["price"], row["category"]) == ("B1", "5", None)


def test_refuses_an_id_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="record 2: parent_asin is longer than"):
        rows_of(
            ITEMS_2023_PARQUET,
            tmp_path,
            parquet([item_2023(details=""), item_2023(details="", parent_asin="x" * 5000)]),
        )
