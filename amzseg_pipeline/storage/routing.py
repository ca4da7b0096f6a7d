"""The reviews of each batch, checked, priced and laid into buckets of users: routed once, kept as long as it holds.

Copies are not settled here: they may lie in different batches, but only in one bucket.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import log2
from pathlib import Path

import narwhals as nw
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.steps.reviews.copies import VALID_COLUMNS
from amzseg_pipeline.storage.arrow import arrow_schema
from amzseg_pipeline.storage.engines import Engine, bucket_folder
from amzseg_pipeline.storage.landing import Batch, RawReviews, raw_reviews_frame, scanning
from amzseg_pipeline.storage.progress import Progress
from amzseg_pipeline.storage.stage import Stage
from amzseg_pipeline.storage.table_parts import TableParts, part_name, rows_in, write_part

ROUTED_FOLDER = "routed_reviews"
_REJECTED_FILE = "rejected.parquet"
_MOST_BUCKETS = 4096


@dataclass(frozen=True)
class RoutedReviews:
    """Every batch as a part of `folder`, its valid reviews in `buckets` buckets; `new_rows` were routed just now."""

    folder: Path
    names: tuple[str, ...]
    buckets: int
    new_rows: int

    @property
    def rejected(self) -> TableParts:
        """rejected_reviews."""
        parts = TableParts(self.folder, self.names, rows=0, files=_REJECTED_FILE)
        return TableParts(self.folder, self.names, rows=rows_in(parts.paths), files=_REJECTED_FILE)


def bucket_count(rows: int, *, bucket_rows: int) -> int:
    """The power of two that makes buckets of about `bucket_rows` rows."""
    return min(1 << max(0, round(log2(max(rows, 1) / bucket_rows))), _MOST_BUCKETS)


def routed_reviews(raw: RawReviews, items: nw.LazyFrame, stage: Stage) -> RoutedReviews:
    """Routes the batches that are not routed yet.

    A batch is routed again when its bytes, its reader, the code, any item or the number of buckets has changed.
    """
    folder = stage.warehouse / ROUTED_FOLDER
    buckets = 1 if stage.engine.splits_work else bucket_count(raw.rows, bucket_rows=stage.settings.bucket_rows)
    items_as_read = sorted(_as_read(batch) for batch in raw.items)
    progress = Progress("cleaning", total=raw.rows, tell=stage.tell)
    names, new_rows = [], 0
    for batch in raw.reviews:
        name = part_name(batch.sha256[:16], _as_read(batch), items_as_read, stage.code_version, buckets)
        is_new = write_part(folder / name, partial(_route, batch, items, stage.engine, buckets=buckets))
        progress.add(batch.rows, kept=not is_new)
        new_rows += batch.rows if is_new else 0
        names.append(name)
    return RoutedReviews(folder, tuple(names), buckets, new_rows)


def valid_files(folder: Path, bucket: int) -> list[Path]:
    """The files with the valid reviews that a routed batch has in a bucket, copies among them."""
    return sorted(bucket_folder(folder, bucket).glob("*.parquet"))


def _route(batch: Batch, items: nw.LazyFrame, engine: Engine, folder: Path, *, buckets: int) -> None:
    """One pass over the batch; where it shows that rows were rejected, another that reads little more than ids."""
    checked = reviews.checked_reviews(raw_reviews_frame([batch], engine))
    valid = reviews.valid_reviews(reviews.with_item_prices(checked, items))
    with scanning(batch):
        engine.write_buckets(valid, folder, buckets=buckets)
    if not any(folder.rglob("*.parquet")):
        _write_nothing(bucket_folder(folder, 0) / "part.parquet", CLEANED_REVIEWS, VALID_COLUMNS)
    if rows_in(folder.rglob("*.parquet")) < batch.rows:
        engine.write(reviews.rejected_reviews(checked), folder / _REJECTED_FILE)
    else:
        _write_nothing(folder / _REJECTED_FILE, REJECTED_REVIEWS, REJECTED_REVIEWS.column_names)


def _as_read(batch: Batch) -> tuple[str, str]:
    return batch.sha256, batch.reader


def _write_nothing(path: Path, table: Table, columns: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow_schema(table).empty_table().select(columns), path)
