"""Formats are detected from content, not from file names, and in spite of damaged first lines."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.detection import FORMATS, format_of
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    csv_of,
    item_2018,
    item_2023,
    json_lines,
    opened,
    parquet,
    review_2018,
    review_2023,
    sales_csv,
    tsv_of,
)

CANONICAL = {"user_id": "U", "item_id": "I", "rating": 4.5, "paid_price": 1.5, "currency": "USD"}
REVIEW_2018 = {"reviewerID": "A1", "asin": "B000000001", "overall": "5.0", "unixReviewTime": "1529193600"}
REVIEW_2023 = {"user_id": "A1", "parent_asin": "B000000001", "rating": "5.0", "timestamp": "1588687728923"}
AWS = {
    "marketplace": "US",
    "customer_id": "12345",
    "review_id": "R1",
    "product_id": "B000000001",
    "product_parent": "1",
    "product_title": 'A 5" pipe',
    "product_category": "Tools",
    "star_rating": "5",
    "review_date": "2015-08-31",
}
FINE_FOOD = {"Id": "1", "ProductId": "B1", "UserId": "A1", "Score": "5", "Time": "1303862400", "Text": "Good"}
ITEM_2014 = b"{'asin': 'B1', 'title': \"It's\", 'price': 5.5, 'categories': [['Garden', 'Pots']]}\n"
EXPORTS = {
    "Amazon Sales Dataset CSV": sales_csv([{}]),
    "Amazon Reviews 2018": json_lines([review_2018()]),
    "Amazon Reviews 2014 items": ITEM_2014,
    "Amazon Reviews 2018 items": json_lines([item_2018()]),
    "Amazon Reviews 2023": json_lines([review_2023()]),
    "Amazon Reviews 2023 items": json_lines([item_2023()]),
    "Amazon Reviews 2023 parquet": parquet([review_2023()]),
    "Amazon Reviews 2023 items parquet": parquet([item_2023(details="")]),
    "Amazon Reviews 2023 table": csv_of([REVIEW_2023]),
    "Amazon Reviews 2018 table": csv_of([REVIEW_2018]),
    "Amazon ratings without header": b"A1,B000000001,5.0,1529193600\n",
    "Amazon ratings": csv_of([{"user": "A1", "item": "B1", "rating": "5.0", "timestamp": "1529193600"}]),
    "Amazon ratings of products": csv_of([{"UserId": "A", "ProductId": "B", "Rating": "5", "Timestamp": "1529193600"}]),
    "AWS Customer Reviews": tsv_of([AWS]),
    "Amazon Fine Food Reviews": csv_of([FINE_FOOD]),
    "canonical CSV": canonical_csv([{}]),
    "canonical parquet": parquet([CANONICAL]),
}


def format_in(folder: Path, content: bytes, name: str = "export") -> str:
    (folder / name).write_bytes(content)
    return format_of(opened(folder / name))[0].name


def test_every_format_has_an_example() -> None:
    assert [export_format.name for export_format in FORMATS] == [*EXPORTS, "mapped columns"]
    assert len({export_format.version for export_format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("name", ["export", "meta_Books.csv", "reviews.parquet", "a.jsonl.gz"])
@pytest.mark.parametrize("known", EXPORTS)
def test_detects_a_format_under_any_file_name(tmp_path: Path, known: str, name: str) -> None:
    assert format_in(tmp_path, EXPORTS[known], name) == known


@pytest.mark.parametrize("known", [known for known in EXPORTS if EXPORTS[known].startswith(b'{"')])
def test_detects_json_lines_behind_gzip_marks_and_damaged_lines(tmp_path: Path, known: str) -> None:
    content = EXPORTS[known]
    for variant in (
        gzip.compress(content),
        b"\xef\xbb\xbf" + content,
        b"\n  \n" + content,
        b'{"broken\n' + content,
        b'{"asin": 1}\n{}\n' + content,
        gzip.compress(b"{\n" * 90 + content),
        content[:-2] + b"\n" + content,
    ):
        assert format_in(tmp_path, variant) == known


def test_an_incomplete_review_is_not_detected_as_an_item(tmp_path: Path) -> None:
    for missing in ("reviewerID", "overall", "unixReviewTime"):
        with pytest.raises(RefusedInput, match="missing"):
            format_in(tmp_path, json_lines([review_2018(price="$5", **{missing: None})]))
    record = review_2023() | {"price": 5}
    del record["rating"]
    with pytest.raises(RefusedInput, match="missing 'rating'"):
        format_in(tmp_path, json_lines([record]))


@pytest.mark.parametrize("known", EXPORTS)
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_detects_compressed_text(tmp_path: Path, known: str, compression: str) -> None:
    content = EXPORTS[known]
    if content.startswith(b"PAR1"):
        return
    packed = gzip.compress(content) if compression == "gzip" else pa.compress(content, codec="zstd", asbytes=True)
    assert format_in(tmp_path, packed) == known


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n', "it is JSON Lines of no known format: it has none of their keys"),
        (b"{\n", "no JSON object of at most 4,194,304 bytes is at the start of the file"),
        (b"a,b\n1,2\n", "it is CSV of no known format: it has none of their columns"),
        (canonical_csv([{"list_prices": "5"}]), "'list_prices' may be meant as 'list_price': rename or remove it"),
        (canonical_csv([{}]).replace(b"rating", b"stars"), "most like canonical CSV, but: missing 'rating'"),
        (parquet([{"a": 1}]), "it is parquet of no known format"),
        (b"A1,A2,5.0,1529193600\n", "add a first line user,item,rating,timestamp"),
        (b"version https://git-lfs.github.com/spec/v1\n", "this is a Git LFS pointer, not the file; fetch the file"),
    ],
)
def test_refuses_an_unknown_format_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        format_in(tmp_path, content)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 2_000
