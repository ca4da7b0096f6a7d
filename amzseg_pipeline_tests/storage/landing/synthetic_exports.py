"""Builders of synthetic exports of every format, and of a landing zone that contains them."""

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.ingest.raw_reviews import RawReviews, raw_reviews
from amzseg_pipeline.storage.landing.scan.export import Export, opened_export

SALES_COLUMNS = (
    "product_id",
    "product_name",
    "category",
    "discounted_price",
    "actual_price",
    "discount_percentage",
    "rating",
    "rating_count",
    "about_product",
    "user_id",
    "user_name",
    "review_id",
    "review_title",
    "review_content",
    "img_link",
    "product_link",
)


def sales_row(number: int = 1, **cells: str) -> dict[str, str]:
    """One listing with two reviewers; `cells` override the defaults."""
    row = {
        "product_id": f"B{number:09d}",
        "product_name": f"Cable {number}, braided",
        "category": "Electronics|Cables",
        "discounted_price": "₹399",
        "actual_price": "₹1,099",
        "discount_percentage": "64%",
        "rating": "4.2",
        "rating_count": "24,269",
        "about_product": 'Long; "sturdy"\nand, mostly, red',
        "user_id": f"U{2 * number},U{2 * number + 1}",
        "user_name": "Ann, the first,Bob",
        "review_id": f"R{2 * number},R{2 * number + 1}",
        "review_title": "Good,Very, very good",
        "review_content": "Works,Works, still,🙂",
        "img_link": "https://example.com/i.jpg",
        "product_link": "https://example.com/p",
    }
    assert set(cells) <= set(row)
    return row | cells


def sales_csv(
    rows: Iterable[Mapping[str, str]] = ({},),
    columns: Sequence[str] = SALES_COLUMNS,
    *,
    line_end: str = "\n",
) -> bytes:
    """A complete export; row n, counted from 1, is `sales_row(n)` with the given cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(columns)
    for number, cells in enumerate(rows, start=1):
        row = sales_row(number, **cells)
        writer.writerow([row[column] for column in columns])
    return text.getvalue().encode()


def landing_zone(root: Path, exports: Mapping[str, bytes]) -> DataRoot:
    """A data root with these files below landing/."""
    data_root = DataRoot(root)
    data_root.landing.mkdir(parents=True, exist_ok=True)
    for path, content in exports.items():
        (data_root.landing / path).parent.mkdir(parents=True, exist_ok=True)
        (data_root.landing / path).write_bytes(content)
    return data_root


def reviews_read(data_root: DataRoot, **settings: Any) -> RawReviews:
    """The landing zone as read by a manual run."""
    return raw_reviews(data_root, Settings(**settings), now=time.time(), skip_settling=False)


def opened(path: Path, **settings: Any) -> Export:
    """The export at `path` as a run opens it now."""
    return opened_export(path, Settings(**settings), now=time.time())


def tables_of(export_format: ParsedFormat, path: Path) -> list[pa.Table]:
    """The raw rows of a file of this format, as its reader gives them."""
    export = opened(path)
    if export.file_type in ("CSV", "Excel", "parquet"):
        detected, export = format_of(export)
        assert detected is export_format, detected.name
    return list(export_format.raw_rows(export))


def raw_rows(reviews: RawReviews) -> list[dict[str, Any]]:
    """Every raw row, in the order of batches and records."""
    return pa.concat_tables(pq.read_table(batch.parquet_path) for batch in reviews.reviews).to_pylist()


def json_lines(records: Iterable[Mapping[str, Any] | bytes]) -> bytes:
    """One record per line; bytes are written unchanged."""
    lines = (record if isinstance(record, bytes) else json.dumps(record).encode() for record in records)
    return b"".join(line + b"\n" for line in lines)


def review_2018(number: int = 1, **values: Any) -> dict[str, Any]:
    """A record of Amazon Reviews 2018; `values` override the defaults, and None removes a key."""
    record = {
        "overall": 5.0,
        "verified": True,
        "reviewTime": "06 17, 2018",
        "reviewerID": f"A{number}",
        "asin": f"B{number:09d}",
        "style": {"Gift Amount:": " 50"},
        "reviewerName": "Ann, the first",
        "reviewText": 'Works, "still"\n🙂',
        "summary": "Five Stars",
        "unixReviewTime": 1_529_193_600,
    }
    return {name: value for name, value in (record | values).items() if value is not None}


def item_2018(number: int = 1, **values: Any) -> dict[str, Any]:
    """A record of the metadata of Amazon Reviews 2018."""
    record = {
        "category": ["Gift Cards", "Gift Cards"],
        "description": ["A card"],
        "title": "A card",
        "also_buy": [],
        "price": "$12.99",
        "asin": f"B{number:09d}",
    }
    return {name: value for name, value in (record | values).items() if value is not None}


def review_2023(number: int = 1, **values: Any) -> dict[str, Any]:
    """A record of Amazon Reviews 2023."""
    return {
        "rating": 5.0,
        "title": "Five Stars",
        "text": 'Works, "still"\n🙂',
        "images": [],
        "asin": f"V{number:09d}",
        "parent_asin": f"B{number:09d}",
        "user_id": f"A{number}",
        "timestamp": 1_588_687_728_923 + number,
        "helpful_vote": 0,
        "verified_purchase": True,
    } | values


def item_2023(number: int = 1, **values: Any) -> dict[str, Any]:
    """A record of the metadata of Amazon Reviews 2023."""
    return {
        "main_category": "All Beauty",
        "title": "A card",
        "average_rating": 4.8,
        "rating_number": 10,
        "features": [],
        "description": [],
        "price": 12.99,
        "images": [],
        "videos": [],
        "store": "A store",
        "categories": ["Beauty", "Hair"],
        "details": {"Size": "3"},
        "parent_asin": f"B{number:09d}",
        "bought_together": None,
    } | values


def parquet(records: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType] | None = None) -> bytes:
    """A parquet file of the records, with `types` for some of its columns."""
    table = pa.Table.from_pylist([dict(record) for record in records])
    for name, kind in (types or {}).items():
        table = table.set_column(table.column_names.index(name), name, table[name].cast(kind))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def canonical_csv(rows: Iterable[Mapping[str, str]]) -> bytes:
    """A canonical export with the required columns and those of the first row."""
    filled = [
        {"user_id": f"U{n}", "item_id": f"I{n}", "rating": "4.5", "paid_price": "12.99", "currency": "USD"} | dict(row)
        for n, row in enumerate(rows, start=1)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(filled[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(filled)
    return text.getvalue().encode()


def csv_of(rows: Sequence[Mapping[str, str]], *, delimiter: str = ",") -> bytes:
    """A CSV of the rows, whose columns are those of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def tsv_of(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Values separated by tabs, without any quoting."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def xlsx_of(rows: Sequence[Mapping[str, object]]) -> bytes:
    """A workbook with the rows on its first sheet, below a header."""
    from openpyxl import Workbook

    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()
