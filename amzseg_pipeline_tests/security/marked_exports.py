"""Exports of every format with unique texts: ids of users and reviews, names, titles and texts."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

GIVEN_USER = "AGIVENUSER"
GIVEN_REVIEW = "RGIVENREVIEW"
NAME, TITLE, TEXT = "Xanthippe", "Zweitausendeins", "Quodlibetarisch"
PRIVATE = (NAME, TITLE, TEXT)
"""Texts that must never be stored, logged or repeated in an error."""

REVIEWS = 90


def user(number: int) -> str:
    return f"{GIVEN_USER}{number % 40:05d}"


def sales() -> dict[str, bytes]:
    """Names contain commas and line breaks, so their lists do not align; one record is short, one list too long."""
    rows = [
        {
            "user_id": f"{user(2 * number)},{user(2 * number + 1)}",
            "review_id": f"{GIVEN_REVIEW}{2 * number},{GIVEN_REVIEW}{2 * number + 1}",
            "user_name": f"{NAME}, the {number}th,=cmd|{NAME}\nBob",
            "review_title": f"{TITLE}, very,{TITLE}",
            "review_content": f'"{TEXT}",{TEXT} {number}',
            "discounted_price": f"₹{100 + number * 37 % 900}",
            "rating": f"{1 + number % 5}",
        }
        for number in range(60)
    ]
    rows[7] |= {"review_id": f"{GIVEN_REVIEW}7"}
    return {"amazon.csv": sales_csv(rows) + f"B1,{NAME},{TITLE},{TEXT}\n".encode()}


def reviews_2018() -> dict[str, bytes]:
    reviews = [
        {
            "reviewerID": user(number),
            "asin": f"B{number % 9:09d}",
            "reviewerName": f"{NAME} {number}",
            "summary": f"{TITLE} {number}",
            "reviewText": f"{TEXT} \u00e9 {number}",
            "overall": float(1 + number % 5),
            "unixReviewTime": 1_500_000_000 + 86_400 * number,
        }
        for number in range(REVIEWS)
    ]
    items = [{"asin": f"B{number:09d}", "price": f"${number + 1}.99", "title": "Cable"} for number in range(9)]
    damaged = f'{{"reviewerID": "{user(1)}", "asin": 5, "reviewerName": "{NAME}", "summary": "{TITLE}"\n'.encode()
    return {"reviews.json": _lines(reviews) + damaged, "meta_reviews.json": _lines(items)}


def reviews_2023() -> dict[str, bytes]:
    return {"reviews.jsonl.gz": gzip.compress(_lines(_reviews_2023()), mtime=0), "meta.jsonl": _lines(_items_2023())}


def reviews_2023_parquet() -> dict[str, bytes]:
    return {"reviews.parquet": _parquet(_reviews_2023()), "meta.jsonl": _lines(_items_2023())}


def canonical_csv() -> dict[str, bytes]:
    reviews = list(_canonical())
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, reviews[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(reviews)
    return {"canonical.csv": text.getvalue().encode()}


def canonical_parquet() -> dict[str, bytes]:
    return {"canonical.parquet": _parquet(_canonical())}


def in_dollars() -> dict[str, bytes]:
    """All formats with prices in dollars, for one landing zone."""
    return reviews_2018() | reviews_2023() | reviews_2023_parquet() | canonical_csv() | canonical_parquet()


EXPORTS: Mapping[str, Callable[[], dict[str, bytes]]] = {"in rupees": sales, "in dollars": in_dollars}


def deliver(landing: Path, exports: Mapping[str, bytes]) -> None:
    """Puts the exports into the landing zone."""
    landing.mkdir(parents=True, exist_ok=True)
    for name, content in exports.items():
        (landing / name).write_bytes(content)


def _reviews_2023() -> Iterator[dict[str, object]]:
    for number in range(REVIEWS):
        yield {
            "rating": float(1 + number % 5),
            "title": f"{TITLE} {number}",
            "text": f"{TEXT} {number}",
            "asin": f"B{number % 9:09d}",
            "parent_asin": f"B{number % 9:09d}",
            "user_id": user(number),
            "timestamp": 1_600_000_000_000 + 86_400_000 * number,
        }


def _items_2023() -> Iterator[dict[str, object]]:
    return ({"parent_asin": f"B{number:09d}", "price": number + 0.99, "title": "Cable"} for number in range(9))


def _canonical() -> Iterator[dict[str, object]]:
    for number in range(REVIEWS):
        yield {
            "user_id": user(number),
            "item_id": f"B{number % 9:09d}",
            "rating": str(1 + number % 5),
            "paid_price": f"{number % 50 + 1}.50",
            "currency": "USD",
            "review_id": f"{GIVEN_REVIEW}{number}",
        }


def _lines(records: object) -> bytes:
    return "".join(f"{json.dumps(record)}\n" for record in records).encode()  # type: ignore[attr-defined]


def _parquet(records: Iterator[dict[str, object]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(records)), stream)
    return stream.getvalue()
