"""Synthetic exports in the form of the Amazon Sales Dataset, and a landing zone to put them in."""

import csv
import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.landing.raw_reviews import RawReviews, raw_reviews

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
    """One listing with two reviewers of its own; `cells` take the place of the defaults."""
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
    """A whole export; row n, counted from 1, is `sales_row(n)` with the cells given."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(columns)
    for number, cells in enumerate(rows, start=1):
        row = sales_row(number, **cells)
        writer.writerow([row[column] for column in columns])
    return text.getvalue().encode()


def landing_zone(root: Path, exports: Mapping[str, bytes]) -> Home:
    """A home in `root` with these files below landing/."""
    home = Home(root)
    home.landing.mkdir(parents=True, exist_ok=True)
    for path, content in exports.items():
        (home.landing / path).parent.mkdir(parents=True, exist_ok=True)
        (home.landing / path).write_bytes(content)
    return home


def reviews_read(home: Home, **settings: Any) -> RawReviews:
    """The landing zone read as by a run started by hand."""
    return raw_reviews(home, Settings(**settings), now=time.time(), settle=False)


def raw_rows(reviews: RawReviews) -> list[dict[str, Any]]:
    """Every raw row, in the order of batches and records."""
    return pa.concat_tables(pq.read_table(batch.part) for batch in reviews.reviews).to_pylist()
