"""Amazon Reviews 2023 (Hou et al., arXiv:2403.03952): JSON Lines or Parquet with one review per row, and item metadata.

A review is identified by user, item and millisecond. The item is `parent_asin`, which variants share and which is the
key of the item metadata. Titles, texts and images are dropped.
"""

from collections.abc import Iterator

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.storage.landing.formats.amazon_items import with_currency
from amzseg_pipeline.storage.landing.formats.export_format import JSON, InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards import parquet as parquet_guard
from amzseg_pipeline.storage.landing.readers.json_lines import (
    NUMBER,
    PRICE,
    TEXT,
    TEXT_LIST,
    JsonRow,
    json_rows,
    time_type,
)
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts, parquet_time_unit
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, check_lengths
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.ids import check_ids
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_REVIEW_NAMES = ("user_id", "parent_asin", "rating", "timestamp")
IGNORED_REVIEW_NAMES = ("title", "text", "images", "asin", "helpful_vote", "verified_purchase", "history")
_IGNORED_ITEM_NAMES = (
    *("title", "subtitle", "author", "average_rating", "rating_number", "features", "description", "images", "videos"),
    *("store", "details", "bought_together"),
)
_REVIEW_COLUMNS = {
    "user_id": "user_id",
    "user_hash": DUCKDB_USER_HASH.format(user_id="user_id"),
    "item_id": "parent_asin",
    "review_id": "coalesce(parent_asin, '') || '@' || timestamp",
    "rating": "rating",
    "reviewed_at": "timestamp",
}
_ITEM = JsonRow(
    value_types={"parent_asin": TEXT, "price": PRICE, "categories": TEXT_LIST, "main_category": TEXT},
    columns={
        "item_id": "parent_asin",
        "price": "price",
        "category": "coalesce(nullif(categories, ''), main_category)",
    },
    optional=("price", "categories", "main_category"),
    id_columns=("item_id",),
)


def _review_rows(export: Export) -> Iterator[pa.Table]:
    time = time_type(export, "timestamp", documented_unit="milliseconds")
    value_types = {"user_id": TEXT, "parent_asin": TEXT, "rating": NUMBER, "timestamp": time}
    return json_rows(export, JsonRow(value_types, _REVIEW_COLUMNS, id_columns=("user_id", "item_id")))


def _item_rows(export: Export) -> Iterator[pa.Table]:
    return with_currency(json_rows(export, _ITEM), export)


def _parquet_item_rows(export: Export) -> Iterator[pa.Table]:
    return with_currency(_parquet_items(export), export)


def _parquet_items(export: Export) -> Iterator[pa.Table]:
    for batch in parquet_texts(export, column_types=_ITEM_TYPES):
        missing = pa.nulls(len(batch), pa.string())
        texts = {name: batch[name] if name in batch.schema.names else missing for name in _ITEM_TYPES}
        check_lengths(texts["parent_asin"], batch["row_number"], name="parent_asin")
        categories = pc.if_else(pc.equal(texts["categories"], ""), None, texts["categories"])
        columns = {
            "row_number": batch["row_number"],
            "item_id": texts["parent_asin"],
            "price": pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(texts["price"]), 0, MAX_PRICE_CHARACTERS),
            "category": pc.coalesce(categories, texts["main_category"]),
        }
        rows = pa.table(columns)
        check_ids(rows, {"item_id": "parent_asin"})
        yield rows


def _raw_frame(scan: nw.LazyFrame) -> nw.LazyFrame:
    item, milliseconds = nw.col("parent_asin").cast(nw.String()), nw.col("timestamp").cast(nw.Int64())
    columns = {
        **{name: nw.col(name) for name in ("source_file", "batch", "row_number", "user_hash")},
        "user_id": nw.col("user_id").cast(nw.String()),
        "item_id": item,
        "review_id": nw.concat_str(item.fill_null(""), nw.lit("@"), milliseconds.cast(nw.String())),
        "rating": nw.col("rating").cast(nw.Float64()),
        "reviewed_at": milliseconds,
    }
    missing = nw.lit(None, dtype=nw.String())
    return scan.select(**{name: columns.get(name, missing) for name in RAW_REVIEWS.column_names})


def _is_readable_in_place(export: Export) -> bool:
    """Whether the types are those of raw_reviews, and times are milliseconds; the table reader converts others."""
    assert export.footer is not None
    if export.mapping and export.mapping.time_unit not in ("", "milliseconds"):
        return False
    schema = export.footer.schema.to_arrow_schema()
    if not all(check.accepts(schema.field(name).type) for name, check in _REVIEW_TYPES.items()):
        return False
    return parquet_time_unit(export, "timestamp") in (None, "milliseconds")


_REVIEW_TYPES = {
    "user_id": parquet_guard.TEXT,
    "parent_asin": parquet_guard.TEXT,
    "rating": parquet_guard.NUMBER,
    "timestamp": parquet_guard.INTEGER,
}
_ITEM_TYPES = {
    "parent_asin": parquet_guard.TEXT,
    "price": parquet_guard.VALUE,
    "categories": parquet_guard.TEXT_LIST,
    "main_category": parquet_guard.VALUE,
}

REVIEWS_2023 = ParsedFormat(
    name="Amazon Reviews 2023",
    version="reviews2023-5",
    file_types=JSON,
    table=RAW_REVIEWS,
    required_names=_REVIEW_NAMES,
    ignored_names=IGNORED_REVIEW_NAMES,
    mapping_keys=("time_unit",),
    raw_rows=_review_rows,
)
ITEMS_2023 = ParsedFormat(
    name="Amazon Reviews 2023 items",
    version="items2023-4",
    file_types=JSON,
    table=RAW_ITEMS,
    required_names=("parent_asin", "price"),
    optional_names=("categories", "main_category"),
    excluded_names=("user_id", "rating"),
    ignored_names=_IGNORED_ITEM_NAMES,
    mapping_keys=("currency",),
    raw_rows=_item_rows,
)
REVIEWS_2023_PARQUET = InPlaceFormat(
    name="Amazon Reviews 2023 parquet",
    version="reviews2023parquet-2",
    file_types=("parquet",),
    table=RAW_REVIEWS,
    required_names=_REVIEW_NAMES,
    ignored_names=IGNORED_REVIEW_NAMES,
    mapping_keys=("time_unit",),
    column_types=_REVIEW_TYPES,
    raw_frame=_raw_frame,
    is_readable=_is_readable_in_place,
)
ITEMS_2023_PARQUET = ParsedFormat(
    name="Amazon Reviews 2023 items parquet",
    version="items2023parquet-3",
    file_types=("parquet",),
    table=RAW_ITEMS,
    required_names=("parent_asin", "price"),
    optional_names=("categories", "main_category"),
    excluded_names=("user_id", "rating"),
    ignored_names=_IGNORED_ITEM_NAMES,
    mapping_keys=("currency",),
    raw_rows=_parquet_item_rows,
)
