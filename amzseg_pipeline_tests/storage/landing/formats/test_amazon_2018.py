"""Amazon Reviews 2018 and item metadata: keys become raw rows, and only identical records are duplicates."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from amzseg_pipeline.storage.landing.formats.amazon_2018 import ITEMS_2018, REVIEWS_2018
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline_tests.storage.landing.synthetic_exports import item_2018, json_lines, review_2018, tables_of


def rows_of(export_format: ParsedFormat, folder: Path, *records: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "a.json").write_bytes(json_lines(records))
    return pa.concat_tables(tables_of(export_format, folder / "a.json")).to_pylist()


def test_a_review_becomes_a_row_without_texts(tmp_path: Path) -> None:
    [row] = rows_of(REVIEWS_2018, tmp_path, review_2018(7))
    assert row.pop("review_id") != ""
    assert row == {
        "row_number": 1,
        "read_error": None,
        "user_id": "A7",
        "user_hash": int(hashlib.md5(b"A7").hexdigest()[:8], 16),
        "item_id": "B000000007",
        "rating": "5.0",
        "reviewed_at": "1529193600000",
    }


@pytest.mark.parametrize(
    "values",
    [
        {"overall": 4.0},
        {"reviewText": "Broken"},
        {"reviewerName": "Bob"},
        {"unixReviewTime": 1_529_193_601},
        {"reviewText": None},
        {"vote": "1,234"},
        {"reviewerID": "B"},
    ],
)
def test_only_identical_records_have_the_same_review_id(tmp_path: Path, values: dict[str, Any]) -> None:
    first, same, other = rows_of(REVIEWS_2018, tmp_path, review_2018(), review_2018(), review_2018(**values))
    assert first["review_id"] == same["review_id"] != other["review_id"]


@pytest.mark.parametrize("missing", ["reviewerID", "asin", "overall", "unixReviewTime"])
def test_a_review_with_a_missing_key_is_damaged(tmp_path: Path, missing: str) -> None:
    complete, damaged = rows_of(REVIEWS_2018, tmp_path, review_2018(), review_2018(**{missing: None}))
    assert complete["read_error"] is None
    assert damaged["read_error"]
    assert damaged["user_id"] is None


@pytest.mark.parametrize(
    ("price", "text", "currency"),
    [
        ("$12.99", "$12.99", "USD"),
        ("$1,250.00", "$1,250.00", "USD"),
        ("", None, None),
        ("\n\t  \r\n", None, None),
        (None, None, None),
        ("12.99", "12.99", "USD"),
        ("$5.00 - $13.99", "$5.00 - $13.99", "USD"),
        ("from 14.99", "from 14.99", "USD"),
        (".a-box-inner{background-color:#fff}" * 9, (".a-box-inner{background-color:#fff}" * 9)[:64], "USD"),
        ("£5", "£5", "GBP"),
    ],
)
def test_reads_item_prices_and_currencies(
    tmp_path: Path, price: str | None, text: str | None, currency: str | None
) -> None:
    [row] = rows_of(ITEMS_2018, tmp_path, item_2018(price=price))
    assert row == {
        "row_number": 1,
        "read_error": None,
        "item_id": "B000000001",
        "price": text,
        "currency": currency,
        "category": "Gift Cards|Gift Cards",
    }


def test_reads_an_item_without_categories(tmp_path: Path) -> None:
    empty, missing = rows_of(ITEMS_2018, tmp_path, item_2018(category=[]), item_2018(category=None))
    assert empty["category"] is missing["category"] is None
    assert empty["read_error"] is missing["read_error"] is None


@pytest.mark.real_data
def test_real_reviews_agree_with_the_python_json_reader(real_data: Path) -> None:
    path = real_data / "Gift_Cards_5.json.gz"
    rows = pa.concat_tables(tables_of(REVIEWS_2018, path)).to_pylist()
    with gzip.open(path) as stream:
        records = [json.loads(line) for line in stream]
    assert len({row["review_id"] for row in rows}) == len(rows) == len(records) == 2_972
    for row, record in zip(rows, records, strict=True):
        assert (row["user_id"], row["item_id"]) == (record["reviewerID"], record["asin"])
        assert float(row["rating"]) == record["overall"]
        assert int(row["reviewed_at"]) == record["unixReviewTime"] * 1000
        assert row["read_error"] is None


@pytest.mark.real_data
def test_real_items_have_the_known_prices(real_data: Path) -> None:
    rows = pa.concat_tables(tables_of(ITEMS_2018, real_data / "meta_Gift_Cards.json.gz")).to_pylist()
    assert len({row["item_id"] for row in rows}) == len(rows) == 1_547
    prices = [row["price"] for row in rows if row["price"]]
    assert len(prices) == 362
    assert sum(price.startswith("$") for price in prices) == 358
    assert prices.count("$1,250.00") == 2
    assert {row["currency"] for row in rows} == {"USD", None}
    assert max(len(price) for price in prices) == 64
