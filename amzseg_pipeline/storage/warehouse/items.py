"""items and rejected_items: one part, named by the batches of item metadata and reused until one of them changes."""

from functools import partial
from pathlib import Path

from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.landing import RawReviews, raw_items_frame
from amzseg_pipeline.storage.parquet.partitions import TableParts, part_name, rows_by_file, write_part
from amzseg_pipeline.storage.warehouse.build_context import BuildContext

_FOLDER = "items"
_ITEMS_FILE, _REJECTED_FILE = "items.parquet", "rejected.parquet"


def item_tables(raw: RawReviews, build: BuildContext) -> tuple[TableParts, TableParts]:
    """items and rejected_items; both are empty without item metadata."""
    folder = build.warehouse / _FOLDER
    name = part_name("items", sorted((batch.sha256, batch.reader) for batch in raw.items), build.code_version)
    write_part(folder / name, partial(_write, raw, build))
    rows = rows_by_file(folder / name)
    items, rejected = (
        TableParts(folder, (name,), rows=rows[file], file=file) for file in (_ITEMS_FILE, _REJECTED_FILE)
    )
    return items, rejected


def _write(raw: RawReviews, build: BuildContext, folder: Path) -> None:
    engine = build.engine
    with engine.cache_scope():
        validated = engine.cached(reviews.validated_items(raw_items_frame(raw.reviews, raw.items, engine)))
        engine.write(reviews.items(validated), folder / _ITEMS_FILE)
        engine.write(reviews.rejected_items(validated), folder / _REJECTED_FILE)
