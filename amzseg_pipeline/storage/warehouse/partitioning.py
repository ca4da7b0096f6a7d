"""The reviews of each batch, checked, priced and laid into buckets of users: routed once, kept as long as it holds.

Copies are not settled here: they may lie in different batches, but only in one bucket.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import log2
from pathlib import Path

import narwhals as nw
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.steps.reviews.deduplication import VALID_COLUMNS
from amzseg_pipeline.storage.engines import Engine, batch_folder, bucket_folder
from amzseg_pipeline.storage.landing import Batch, RawReviews, raw_reviews_frame, reading_in_place
from amzseg_pipeline.storage.landing.ingest.parts import batch_id
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.parquet.partitions import TableParts, is_complete, part_name, rows_in, write_parts
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.stage import Stage

PARTITIONED_FOLDER = "partitioned_reviews"
_REJECTED_FILE = "rejected.parquet"
_MAX_BUCKETS = 4096
_GROUP_ROWS = 2**24
_ROWS_PER_ITEM = 4
_MAX_FILES = 512
"""What one pass over new batches may take and write. A pass has its price: items are hashed once for each, which at
8.5 million items costs as much as to route five million reviews, and files of one record cost little else. So where
there are many items a pass takes more."""

_ALONE_ROWS = 2**20
"""What a pass may take where there is one bucket: a large batch goes alone, for to write one folder is cheaper than to
sort rows into several."""


@dataclass(frozen=True)
class PartitionedReviews:
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
    return min(1 << max(0, round(log2(max(rows, 1) / bucket_rows))), _MAX_BUCKETS)


def partitioned_reviews(raw: RawReviews, items: nw.LazyFrame, stage: Stage) -> PartitionedReviews:
    """Routes the batches that are not routed yet.

    A batch is routed again when its bytes, its reader, the code, any item or the number of buckets has changed.
    """
    folder = stage.warehouse / PARTITIONED_FOLDER
    buckets = 1 if stage.engine.splits_work else bucket_count(raw.rows, bucket_rows=stage.settings.bucket_rows)
    items_as_read = sorted(_as_read(batch) for batch in raw.items)
    names = {
        batch: part_name(batch_id(batch.sha256), _as_read(batch), items_as_read, stage.code_version, buckets)
        for batch in raw.reviews
    }
    new = [batch for batch in raw.reviews if not is_complete(folder / names[batch])]
    progress = Progress("cleaning", total=raw.rows, log=stage.log)
    progress.add(raw.rows - _rows_of(new), kept=True)
    max_rows = _ALONE_ROWS if buckets == 1 else max(_GROUP_ROWS, _ROWS_PER_ITEM * raw.item_rows)
    if new:
        items = stage.engine.dictionary_encoded(items, ["currency", "category"])
    for group in _groups(new, max_rows=max_rows, most=max(1, _MAX_FILES // buckets)):
        parts = {batch_folder(Path(), batch_id(batch.sha256)).name: folder / names[batch] for batch in group}
        write_parts(parts, partial(_partition, group, items, stage.engine, buckets=buckets))
        progress.add(_rows_of(group))
    return PartitionedReviews(folder, tuple(names.values()), buckets, _rows_of(new))


def valid_files(folder: Path, bucket: int) -> list[Path]:
    """The files with the valid reviews that a routed batch has in a bucket, copies among them."""
    return sorted(bucket_folder(folder, bucket).glob("*.parquet"))


def _partition(batches: Sequence[Batch], items: nw.LazyFrame, engine: Engine, folder: Path, *, buckets: int) -> None:
    """One pass over the batches; where one shows that rows were rejected, another that reads little more than ids."""
    raw = raw_reviews_frame(batches, engine)
    valid = reviews.valid_reviews(reviews.with_item_prices(reviews.validated_reviews(raw), items), and_also=("batch",))
    with reading_in_place(batches):
        if len(batches) == buckets == 1:
            only = bucket_folder(batch_folder(folder, batch_id(batches[0].sha256)), 0)
            only.parent.mkdir()
            engine.write_parts(valid.drop("batch"), only)
        else:
            engine.write_buckets(valid, folder, buckets=buckets)
    for batch in batches:
        own = batch_folder(folder, batch_id(batch.sha256))
        files = list(own.rglob("*.parquet"))
        if not files:
            _write_nothing(bucket_folder(own, 0) / "part.parquet", CLEANED_REVIEWS, VALID_COLUMNS)
        if rows_in(files) < batch.rows:
            checked = reviews.validated_reviews(raw_reviews_frame([batch], engine))
            engine.write(reviews.rejected_reviews(checked), own / _REJECTED_FILE)
        else:
            _write_nothing(own / _REJECTED_FILE, REJECTED_REVIEWS, REJECTED_REVIEWS.column_names)


def _groups(batches: Sequence[Batch], *, max_rows: int, most: int) -> Iterator[list[Batch]]:
    """The batches in the order they are routed: together as many as one pass may take, all scanned or none."""
    group: list[Batch] = []
    for batch in sorted(batches, key=lambda batch: batch.is_read_in_place):
        full = len(group) == most or _rows_of(group) + batch.rows > max_rows
        if group and (full or group[0].is_read_in_place != batch.is_read_in_place):
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _rows_of(batches: Iterable[Batch]) -> int:
    return sum(batch.rows for batch in batches)


def _as_read(batch: Batch) -> tuple[str, str]:
    return batch.sha256, batch.reader


def _write_nothing(path: Path, table: Table, columns: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow_schema(table).empty_table().select(columns), path)
