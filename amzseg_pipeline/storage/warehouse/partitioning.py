"""The valid reviews of each batch, with prices, partitioned into buckets of users; written once per batch and reused.

Duplicates remain: duplicate rows may be in different batches, but always in the same bucket.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import log2
from pathlib import Path

import narwhals as nw
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.steps.reviews.deduplication import VALID_COLUMNS
from amzseg_pipeline.storage.engines import Engine, batch_folder, bucket_folder
from amzseg_pipeline.storage.fs.object_store import content_of, footer
from amzseg_pipeline.storage.landing import Batch, RawReviews, raw_reviews_frame, refuse_damaged_exports
from amzseg_pipeline.storage.landing.ingest.batch_files import batch_id
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.parquet.partitions import TableParts, is_complete, part_name, rows_by_file, write_parts
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.tasks import is_in_process, task_results

PARTITIONED_FOLDER = "partitioned_reviews"
_REJECTED_FILE = "rejected.parquet"
_NEWEST_FILE = "newest.json"
_MAX_BUCKETS = 4096
_GROUP_ROWS = 2**24
_ROWS_PER_ITEM = 4
_MAX_FILES = 512
"""Limits of one pass over new batches. Every pass hashes all items once, which at 8.5 million items costs as much as
partitioning five million reviews, so a pass takes more rows where there are more items."""

_WORKER_GROUP_ROWS = 2**21
"""The limit where workers share the batches, each group being a task of a worker, unless there are more items."""

_SINGLE_BUCKET_GROUP_ROWS = 2**20
"""The limit with one bucket. Larger batches get a pass each: writing one folder is cheaper than sorting rows into
several."""


@dataclass(frozen=True)
class BatchPart:
    """The part of a batch: its valid reviews by bucket, and its rejected rows."""

    path: Path

    def valid_files(self, bucket: int) -> dict[Path, int]:
        """The files with the valid reviews of a bucket, duplicates included, and their rows."""
        folder = bucket_folder(self.path, bucket)
        return {path: rows for path, rows in self._files.items() if path.parent == folder}

    def of_bucket(self, bucket: int) -> "BatchPart":
        """The part with the files of this bucket only, which is little to send to a worker."""
        part = BatchPart(self.path)
        vars(part)["_files"] = self.valid_files(bucket)
        return part

    @property
    def rejected_rows(self) -> int:
        """The number of rejected rows."""
        return self._files[self.path / _REJECTED_FILE]

    @cached_property
    def newest_reviewed_at_ms(self) -> int | None:
        """The latest time of the valid reviews, in milliseconds since 1970 UTC; None without dates."""
        newest: int | None = json.loads(content_of(self.path / _NEWEST_FILE))
        return newest

    @cached_property
    def _files(self) -> dict[Path, int]:
        return {self.path / name: rows for name, rows in rows_by_file(self.path).items()}


@dataclass(frozen=True)
class PartitionedReviews:
    """One part of `folder` per batch, its valid reviews in `buckets` buckets; `new_rows` raw rows are of new parts."""

    folder: Path
    names: tuple[str, ...]
    buckets: int
    new_rows: int

    @cached_property
    def batches(self) -> tuple[BatchPart, ...]:
        """The parts."""
        return tuple(BatchPart(self.folder / name) for name in self.names)

    @property
    def newest_reviewed_at_ms(self) -> int | None:
        """The latest time of the valid reviews of all batches."""
        times = (batch.newest_reviewed_at_ms for batch in self.batches)
        return max((time for time in times if time is not None), default=None)

    @property
    def rejected(self) -> TableParts:
        """rejected_reviews."""
        rows = sum(batch.rejected_rows for batch in self.batches)
        return TableParts(self.folder, self.names, rows=rows, file=_REJECTED_FILE)


def bucket_count(rows: int, *, bucket_rows: int) -> int:
    """The power of two that makes buckets of about `bucket_rows` rows."""
    return min(1 << max(0, round(log2(max(rows, 1) / bucket_rows))), _MAX_BUCKETS)


def partitioned_reviews(
    raw: RawReviews, items: Callable[[Engine], nw.LazyFrame], context: BuildContext
) -> PartitionedReviews:
    """Partitions the batches that have no part yet; `items` gives the table of items on the engine of a worker.

    A part is valid for the bytes of its batch, their reader, the code, all items and the number of buckets.
    """
    folder = context.warehouse / PARTITIONED_FOLDER
    buckets = bucket_count(raw.rows, bucket_rows=context.settings.bucket_rows)
    items_identity = sorted(_identity(batch) for batch in raw.items)
    names = {
        batch: part_name(batch_id(batch.sha256), _identity(batch), items_identity, context.code_version, buckets)
        for batch in raw.reviews
    }
    new = [batch for batch in raw.reviews if not is_complete(folder / names[batch])]
    progress = Progress("cleaning", total=raw.rows, log=context.log)
    progress.add(raw.rows - _row_count(new), reused=True)
    max_rows = _SINGLE_BUCKET_GROUP_ROWS if buckets == 1 else max(_GROUP_ROWS, _ROWS_PER_ITEM * raw.item_rows)
    encoded_items: Callable[[Engine], nw.LazyFrame] = partial(_encoded_items, items)
    if is_in_process(context.settings):
        encoded_items = lru_cache(encoded_items)  # encoded once for all groups
    else:
        max_rows = min(max_rows, max(_WORKER_GROUP_ROWS, raw.item_rows))
    groups = list(_groups(new, max_rows=max_rows, max_batches=max(1, _MAX_FILES // buckets)))
    tasks = [
        partial(_partition_group, group, {batch: folder / names[batch] for batch in group}, encoded_items, buckets)
        for group in groups
    ]
    for position, _ in task_results(tasks, context):
        progress.add(_row_count(groups[position]))
    return PartitionedReviews(folder, tuple(names.values()), buckets, _row_count(new))


def _encoded_items(items: Callable[[Engine], nw.LazyFrame], engine: Engine) -> nw.LazyFrame:
    return engine.dictionary_encoded(items(engine), ["currency", "category"])


def _partition_group(
    batches: Sequence[Batch],
    part_of: Mapping[Batch, Path],
    items: Callable[[Engine], nw.LazyFrame],
    buckets: int,
    context: BuildContext,
) -> None:
    parts = {batch_folder(Path(), batch_id(batch.sha256)).name: part_of[batch] for batch in batches}
    write_parts(parts, partial(_partition, batches, items(context.engine), context.engine, buckets=buckets))


def _partition(batches: Sequence[Batch], items: nw.LazyFrame, engine: Engine, folder: Path, *, buckets: int) -> None:
    """Partitions the batches in one pass. A second pass, which reads few columns, collects the rejected rows if any."""
    raw = raw_reviews_frame(batches, engine)
    valid = reviews.valid_reviews(reviews.with_item_prices(reviews.validated_reviews(raw), items), and_also=("batch",))
    with refuse_damaged_exports(batches):
        if len(batches) == buckets == 1:
            bucket = bucket_folder(batch_folder(folder, batch_id(batches[0].sha256)), 0)
            bucket.mkdir(parents=True)
            engine.write(valid.drop("batch"), bucket / "part.parquet")
        else:
            engine.write_buckets(valid, folder, buckets=buckets)
        for batch in batches:
            part = batch_folder(folder, batch_id(batch.sha256))
            files = list(part.rglob("*.parquet"))
            if not files:
                _write_empty(bucket_folder(part, 0) / "part.parquet", CLEANED_REVIEWS, VALID_COLUMNS)
            footers = [footer(path) for path in files]
            (part / _NEWEST_FILE).write_text(json.dumps(_newest(footers)), encoding="utf-8")
            if sum(found.num_rows for found in footers) < batch.rows:
                checked = reviews.validated_reviews(raw_reviews_frame([batch], engine))
                engine.write(reviews.rejected_reviews(checked), part / _REJECTED_FILE)
            else:
                _write_empty(part / _REJECTED_FILE, REJECTED_REVIEWS, REJECTED_REVIEWS.column_names)


def _newest(footers: Iterable[pq.FileMetaData]) -> int | None:
    """The latest time in the statistics of the files."""
    groups = (found.row_group(number) for found in footers for number in range(found.num_row_groups))
    statistics = [group.column(VALID_COLUMNS.index("reviewed_at_ms")).statistics for group in groups]
    return max((found.max for found in statistics if found is not None and found.has_min_max), default=None)


def _groups(batches: Sequence[Batch], *, max_rows: int, max_batches: int) -> Iterator[list[Batch]]:
    """Groups of batches for one pass each; all batches of a group are read in place, or none."""
    group: list[Batch] = []
    for batch in sorted(batches, key=lambda batch: batch.is_read_in_place):
        is_full = len(group) == max_batches or _row_count(group) + batch.rows > max_rows
        if group and (is_full or group[0].is_read_in_place != batch.is_read_in_place):
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def _row_count(batches: Iterable[Batch]) -> int:
    return sum(batch.rows for batch in batches)


def _identity(batch: Batch) -> tuple[str, str]:
    return batch.sha256, batch.reader


def _write_empty(path: Path, table: Table, columns: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow_schema(table).empty_table().select(columns), path)
