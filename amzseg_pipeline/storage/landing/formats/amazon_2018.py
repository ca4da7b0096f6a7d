"""Amazon Reviews 2018 and 2014 (Ni, Li, McAuley, EMNLP 2019): JSON Lines with one review per line, and item metadata.

Reviews are identified by the full record, because a user may review an item twice on a day. Names and texts are
dropped.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.storage.landing.formats.amazon_items import with_currency
from amzseg_pipeline.storage.landing.formats.export_format import JSON, ParsedFormat
from amzseg_pipeline.storage.landing.readers.json_lines import (
    NUMBER,
    PRICE,
    TEXT,
    TEXT_LIST,
    TEXT_LISTS,
    JsonRow,
    ValueType,
    json_rows,
    time_type,
)
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_REVIEW_COLUMNS = {
    "user_id": "reviewerID",
    "user_hash": DUCKDB_USER_HASH.format(user_id="reviewerID"),
    "item_id": "asin",
    "review_id": "md5(line)",
    "rating": "overall",
    "reviewed_at": "unixReviewTime",
}
IGNORED_REVIEW_NAMES = (
    *("reviewerName", "helpful", "reviewTime", "verified", "vote", "style", "image"),
    *("reviewText", "summary"),
)
_IGNORED_ITEM_NAMES = (
    *("title", "description", "brand", "feature", "features", "rank", "salesRank", "date", "details", "fit"),
    *("also_buy", "also_view", "related", "similar_item", "main_cat", "tech1", "tech2"),
    *("image", "imUrl", "imageURL", "imageURLHighRes"),
)


def _review_rows(export: Export) -> Iterator[pa.Table]:
    time = time_type(export, "unixReviewTime", documented_unit="seconds")
    value_types = {"reviewerID": TEXT, "asin": TEXT, "overall": NUMBER, "unixReviewTime": time}
    row = JsonRow(value_types, _REVIEW_COLUMNS, reads_line=True, id_columns=("user_id", "item_id"))
    return json_rows(export, row)


REVIEWS_2018 = ParsedFormat(
    name="Amazon Reviews 2018",
    version="reviews2018-5",
    file_types=JSON,
    table=RAW_REVIEWS,
    required_names=("reviewerID", "asin", "overall", "unixReviewTime"),
    ignored_names=IGNORED_REVIEW_NAMES,
    mapping_keys=("time_unit",),
    raw_rows=_review_rows,
)


def _item_rows(export: Export, *, category: str, category_type: ValueType) -> Iterator[pa.Table]:
    row = JsonRow(
        value_types={"asin": TEXT, "price": PRICE, category: category_type},
        columns={"item_id": "asin", "price": "price", "category": category},
        optional=("price", category),
        id_columns=("item_id",),
    )
    return with_currency(json_rows(export, row), export)


ITEMS_2018 = ParsedFormat(
    name="Amazon Reviews 2018 items",
    version="items2018-4",
    file_types=JSON,
    table=RAW_ITEMS,
    required_names=("asin", "price"),
    optional_names=("category",),
    excluded_names=("reviewerID", "overall", "user_id", "parent_asin"),
    ignored_names=_IGNORED_ITEM_NAMES,
    mapping_keys=("currency",),
    raw_rows=partial(_item_rows, category="category", category_type=TEXT_LIST),
)
ITEMS_2014 = replace(
    ITEMS_2018,
    name="Amazon Reviews 2014 items",
    version="items2014-4",
    required_names=("asin", "categories"),
    optional_names=("price",),
    raw_rows=partial(_item_rows, category="categories", category_type=TEXT_LISTS),
)
