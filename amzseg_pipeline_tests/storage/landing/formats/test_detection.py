"""Formats are detected from content, not from file names, and in spite of damaged first lines."""

import gzip
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.detection import FORMATS, format_of
from amzseg_pipeline.storage.landing.scan.export import opened_export
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    canonical_csv,
    item_2018,
    item_2023,
    json_lines,
    parquet,
    review_2018,
    review_2023,
    sales_csv,
)

CANONICAL = {"user_id": "U", "item_id": "I", "rating": 4.5, "paid_price": 1.5, "currency": "USD"}
EXPORTS = {
    "Amazon Sales Dataset CSV": sales_csv([{}]),
    "Amazon Reviews 2018": json_lines([review_2018()]),
    "Amazon Reviews 2018 items": json_lines([item_2018()]),
    "Amazon Reviews 2023": json_lines([review_2023()]),
    "Amazon Reviews 2023 items": json_lines([item_2023()]),
    "Amazon Reviews 2023 parquet": parquet([review_2023()]),
    "Amazon Reviews 2023 items parquet": parquet([item_2023(details="")]),
    "canonical CSV": canonical_csv([{}]),
    "canonical parquet": parquet([CANONICAL]),
}


def format_in(folder: Path, content: bytes, name: str = "export") -> str:
    (folder / name).write_bytes(content)
    return format_of(opened_export(folder / name, Settings())).name


def test_every_format_has_an_example() -> None:
    assert [export_format.name for export_format in FORMATS] == list(EXPORTS)
    assert len({export_format.version for export_format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("name", ["export", "meta_Books.csv", "reviews.parquet", "a.jsonl.gz"])
@pytest.mark.parametrize("known", EXPORTS)
def test_detects_a_format_under_any_file_name(tmp_path: Path, known: str, name: str) -> None:
    assert format_in(tmp_path, EXPORTS[known], name) == known


@pytest.mark.parametrize("known", [known for known in EXPORTS if EXPORTS[known].startswith(b"{")])
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
        with pytest.raises(RefusedInput, match="missing keys"):
            format_in(tmp_path, json_lines([review_2018(price="$5", **{missing: None})]))
    record = review_2023() | {"price": 5}
    del record["rating"]
    with pytest.raises(RefusedInput, match="missing keys: 'rating'"):
        format_in(tmp_path, json_lines([record]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n', "it is JSON Lines of no known format (Amazon Reviews 2018: missing keys: 'reviewerID'"),
        (b"{\n", "it is JSON Lines of no known format (Amazon Reviews 2018: missing keys"),
        (b"[" + EXPORTS["Amazon Reviews 2023"] + b"]\n", "this is a JSON array; deliver JSON Lines"),
        (gzip.compress(sales_csv([{}])), "this gzip file does not contain JSON Lines; deliver the plain text"),
        (b"a,b\n1,2\n", "it is CSV of no known format (Amazon Sales Dataset CSV: missing columns"),
        (canonical_csv([{"colour": "red"}]), "canonical CSV: unknown columns: 'colour'"),
        (
            parquet([{"a": 1}]),
            "it is parquet of no known format (Amazon Reviews 2023 parquet: missing columns",
        ),
        (parquet([CANONICAL | {"colour": "red"}]), "canonical parquet: unknown columns: 'colour'"),
    ],
)
def test_refuses_an_unknown_format_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        format_in(tmp_path, content)
    assert message in str(caught.value)
    assert "deliver" in str(caught.value)
    assert len(str(caught.value)) < 2_000
