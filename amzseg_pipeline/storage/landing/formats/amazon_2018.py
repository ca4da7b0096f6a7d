"""Amazon Reviews 2018 (Ni, Li, McAuley, EMNLP 2019): JSON Lines with a review a line, and its items' metadata.

Nothing tells reviews apart but the whole record: a user may review an item twice on a day. Names and texts stop here.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.amazon_items import completed_items
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.readers.json_lines import (
    NUMBER,
    PRICE,
    TEXT,
    TEXTS,
    WHOLE_NUMBER,
    JsonRow,
    json_rows,
)
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_REVIEW = JsonRow(
    kinds={"reviewerID": TEXT, "asin": TEXT, "overall": NUMBER, "unixReviewTime": WHOLE_NUMBER},
    columns={
        "user_id": "reviewerID",
        "user_hash": DUCKDB_USER_HASH.format(user_id="reviewerID"),
        "item_id": "asin",
        "review_id": "md5(line)",
        "rating": "overall",
        "reviewed_at": "unixReviewTime || '000'",
    },
    reads_line=True,
)
_ITEM = JsonRow(
    kinds={"asin": TEXT, "price": PRICE, "category": TEXTS},
    columns={"item_id": "asin", "price": "price", "category": "category"},
    optional=("price", "category"),
)


def _review_rows(path: Path, settings: Settings) -> Iterator[pa.Table]:
    return json_rows(path, settings, _REVIEW)


def _item_rows(path: Path, settings: Settings) -> Iterator[pa.Table]:
    return map(completed_items, json_rows(path, settings, _ITEM))


REVIEWS_2018 = ParsedFormat(
    name="Amazon Reviews 2018",
    version="reviews2018-1",
    medium="JSON Lines",
    holds=RAW_REVIEWS,
    needed=tuple(_REVIEW.kinds),
    raw_rows=_review_rows,
)
ITEMS_2018 = ParsedFormat(
    name="Amazon Reviews 2018 items",
    version="items2018-1",
    medium="JSON Lines",
    holds=RAW_ITEMS,
    needed=("asin", "price"),
    foreign=("reviewerID", "overall", "user_id", "parent_asin"),
    raw_rows=_item_rows,
)
