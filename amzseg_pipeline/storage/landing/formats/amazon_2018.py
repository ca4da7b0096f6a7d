"""Amazon Reviews 2018 (Ni, Li, McAuley, EMNLP 2019): JSON Lines with one review per line, and item metadata.

Reviews are identified by the full record, because a user may review an item twice on a day. Names and texts are
dropped.
"""

from collections.abc import Iterator

import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.storage.landing.formats.amazon_items import with_currency
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.readers.json_lines import (
    INTEGER,
    NUMBER,
    PRICE,
    TEXT,
    TEXT_LIST,
    JsonRow,
    json_rows,
)
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_REVIEW = JsonRow(
    value_types={"reviewerID": TEXT, "asin": TEXT, "overall": NUMBER, "unixReviewTime": INTEGER},
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
    value_types={"asin": TEXT, "price": PRICE, "category": TEXT_LIST},
    columns={"item_id": "asin", "price": "price", "category": "category"},
    optional=("price", "category"),
)


def _review_rows(export: Export) -> Iterator[pa.Table]:
    return json_rows(export, _REVIEW)


def _item_rows(export: Export) -> Iterator[pa.Table]:
    return map(with_currency, json_rows(export, _ITEM))


REVIEWS_2018 = ParsedFormat(
    name="Amazon Reviews 2018",
    version="reviews2018-1",
    file_type="JSON Lines",
    table=RAW_REVIEWS,
    required_names=tuple(_REVIEW.value_types),
    raw_rows=_review_rows,
)
ITEMS_2018 = ParsedFormat(
    name="Amazon Reviews 2018 items",
    version="items2018-1",
    file_type="JSON Lines",
    table=RAW_ITEMS,
    required_names=("asin", "price"),
    excluded_names=("reviewerID", "overall", "user_id", "parent_asin"),
    raw_rows=_item_rows,
)
