"""Amazon Reviews 2023 (Hou et al., arXiv:2403.03952): JSON Lines or parquet with a review a row, and its items.

A review is told by user, item and millisecond. The item is `parent_asin`, which variants share: items' metadata knows
no other. Titles, texts and images stop here.
"""

from collections.abc import Iterator
from pathlib import Path

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.amazon_items import completed_items
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat, ParsedFormat
from amzseg_pipeline.storage.landing.guards import parquet as parquet_guard
from amzseg_pipeline.storage.landing.readers.json_lines import (
    NUMBER,
    PRICE,
    TEXT,
    TEXTS,
    WHOLE_NUMBER,
    JsonRow,
    json_rows,
)
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_PRICE_CHARACTERS, check_lengths
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_REVIEW = JsonRow(
    kinds={"user_id": TEXT, "parent_asin": TEXT, "rating": NUMBER, "timestamp": WHOLE_NUMBER},
    columns={
        "user_id": "user_id",
        "user_hash": DUCKDB_USER_HASH.format(user_id="user_id"),
        "item_id": "parent_asin",
        "review_id": "coalesce(parent_asin, '') || '@' || timestamp",
        "rating": "rating",
        "reviewed_at": "timestamp",
    },
)
_ITEM = JsonRow(
    kinds={"parent_asin": TEXT, "price": PRICE, "categories": TEXTS, "main_category": TEXT},
    columns={
        "item_id": "parent_asin",
        "price": "price",
        "category": "coalesce(nullif(categories, ''), main_category)",
    },
    optional=("price", "categories", "main_category"),
)


def _review_rows(path: Path, settings: Settings) -> Iterator[pa.Table]:
    return json_rows(path, settings, _REVIEW)


def _item_rows(path: Path, settings: Settings) -> Iterator[pa.Table]:
    return map(completed_items, json_rows(path, settings, _ITEM))


def _parquet_item_rows(path: Path, settings: Settings) -> Iterator[pa.Table]:
    for batch in parquet_texts(path, settings, kinds=_ITEM_KINDS):
        absent = pa.nulls(len(batch), pa.string())
        texts = {name: batch[name] if name in batch.schema.names else absent for name in _ITEM_KINDS}
        check_lengths(texts["parent_asin"], batch["row_number"], name="parent_asin")
        categories = pc.if_else(pc.equal(texts["categories"], ""), None, texts["categories"])
        rows = {
            "row_number": batch["row_number"],
            "item_id": texts["parent_asin"],
            "price": pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(texts["price"]), 0, MAX_PRICE_CHARACTERS),
            "category": pc.coalesce(categories, texts["main_category"]),
        }
        yield completed_items(pa.table(rows))


def _raw_frame(export: nw.LazyFrame) -> nw.LazyFrame:
    item, milliseconds = nw.col("parent_asin").cast(nw.String()), nw.col("timestamp").cast(nw.Int64())
    columns = {
        **{name: nw.col(name) for name in ("source_file", "batch", "row_number", "user_hash")},
        "user_id": nw.col("user_id").cast(nw.String()),
        "item_id": item,
        "review_id": nw.concat_str(item.fill_null(""), nw.lit("@"), milliseconds.cast(nw.String())),
        "rating": nw.col("rating").cast(nw.Float64()),
        "reviewed_at": milliseconds,
    }
    nothing = nw.lit(None, dtype=nw.String())
    return export.select(**{name: columns.get(name, nothing) for name in RAW_REVIEWS.column_names})


_ITEM_KINDS = {
    "parent_asin": parquet_guard.TEXT,
    "price": parquet_guard.VALUE,
    "categories": parquet_guard.TEXTS,
    "main_category": parquet_guard.VALUE,
}

REVIEWS_2023 = ParsedFormat(
    name="Amazon Reviews 2023",
    version="reviews2023-1",
    medium="JSON Lines",
    holds=RAW_REVIEWS,
    needed=tuple(_REVIEW.kinds),
    raw_rows=_review_rows,
)
ITEMS_2023 = ParsedFormat(
    name="Amazon Reviews 2023 items",
    version="items2023-1",
    medium="JSON Lines",
    holds=RAW_ITEMS,
    needed=("parent_asin", "price"),
    foreign=("user_id", "rating"),
    raw_rows=_item_rows,
)
REVIEWS_2023_PARQUET = InPlaceFormat(
    name="Amazon Reviews 2023 parquet",
    version="reviews2023parquet-1",
    medium="parquet",
    holds=RAW_REVIEWS,
    needed=tuple(_REVIEW.kinds),
    kinds={
        "user_id": parquet_guard.TEXT,
        "parent_asin": parquet_guard.TEXT,
        "rating": parquet_guard.NUMBER,
        "timestamp": parquet_guard.WHOLE_NUMBER,
    },
    raw_frame=_raw_frame,
)
ITEMS_2023_PARQUET = ParsedFormat(
    name="Amazon Reviews 2023 items parquet",
    version="items2023parquet-1",
    medium="parquet",
    holds=RAW_ITEMS,
    needed=("parent_asin", "price"),
    foreign=("user_id", "rating"),
    raw_rows=_parquet_item_rows,
)
