"""cleaned_reviews and user_features, built bucket by bucket, so that memory is bounded by the users of one bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow.compute as pc

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import parquet_file, path_at
from amzseg_pipeline.storage.parquet.partitions import TableParts, part_name, rows_by_file, write_part
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.partitioning import PARTITIONED_FOLDER, BatchPart, PartitionedReviews
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.tasks import results

_DEDUPLICATED_FOLDER = "deduplicated_reviews"
_FEATURES_FOLDER = "user_features"
_FILE = "part.parquet"


@dataclass(frozen=True)
class Bucket:
    """A bucket with `rows` reviews; `deduplicated` names the part with those that have, or may have, duplicates."""

    number: int
    rows: int
    deduplicated: str


@dataclass(frozen=True)
class CleanedReviews:
    """The index of cleaned_reviews: a part of valid rows per batch, and a part of deduplicated rows per bucket."""

    warehouse: Path
    batches: tuple[str, ...]
    buckets: tuple[Bucket, ...]

    @property
    def rows(self) -> int:
        """The number of reviews."""
        return sum(bucket.rows for bucket in self.buckets)

    @property
    def parts(self) -> tuple[Path, ...]:
        """Every folder with rows of the table."""
        return (
            *(batch.path for batch in self._batch_parts),
            *(self.warehouse / _DEDUPLICATED_FOLDER / bucket.deduplicated for bucket in self.buckets),
        )

    def frame(self, engine: Engine, *buckets: Bucket) -> nw.LazyFrame:
        """The reviews of these buckets; of all buckets by default."""
        return _unique_reviews(*self.files(buckets or self.buckets), engine)

    def files(self, buckets: Sequence[Bucket]) -> tuple[list[Path], list[Path]]:
        """The files with valid rows of these buckets, and those with deduplicated rows."""
        valid = [path for batch in self._batch_parts for bucket in buckets for path in batch.valid_files(bucket.number)]
        return valid, [self.warehouse / _DEDUPLICATED_FOLDER / bucket.deduplicated / _FILE for bucket in buckets]

    @cached_property
    def _batch_parts(self) -> tuple[BatchPart, ...]:
        return tuple(BatchPart(self.warehouse / PARTITIONED_FOLDER / name) for name in self.batches)


def deduplicated_reviews(partitioned: PartitionedReviews, context: BuildContext) -> CleanedReviews:
    """cleaned_reviews: deduplicates every bucket whose partitioned reviews have changed."""
    by_bucket = [
        {batch.path.name: files for batch in partitioned.batches if (files := batch.valid_files(number))}
        for number in range(partitioned.buckets)
    ]
    total = sum(rows for by_batch in by_bucket for files in by_batch.values() for rows in files.values())
    progress = Progress("deduplicating", total=total, log=context.log)
    buckets = []
    tasks = [partial(_bucket, number, by_batch) for number, by_batch in enumerate(by_bucket) if by_batch]
    for _, (bucket, valid_rows, is_new) in results(tasks, context):
        buckets.append(bucket)
        progress.add(valid_rows, reused=not is_new)
    return CleanedReviews(context.warehouse, partitioned.names, tuple(sorted(buckets, key=attrgetter("number"))))


def user_features(cleaned: CleanedReviews, context: BuildContext, *, as_of: date) -> TableParts:
    """user_features: aggregates the users of every bucket whose reviews have changed."""
    folder = context.warehouse / _FEATURES_FOLDER
    progress = Progress("aggregating users", total=cleaned.rows, log=context.log)
    names = [
        part_name(f"{bucket.number:04d}", bucket.deduplicated, context.code_version, as_of.isoformat())
        for bucket in cleaned.buckets
    ]
    tasks = [
        partial(_features_of_bucket, *cleaned.files([bucket]), folder / name, as_of)
        for bucket, name in zip(cleaned.buckets, names, strict=True)
    ]
    for position, is_new in results(tasks, context):
        progress.add(cleaned.buckets[position].rows, reused=not is_new)
    return TableParts(folder, tuple(names), rows=sum(sum(rows_by_file(folder / name).values()) for name in names))


def cleaned_reviews_document(cleaned: CleanedReviews) -> dict[str, Any]:
    """The index as JSON values."""
    return document_of(cleaned) | {"warehouse": cleaned.warehouse.name}


def cleaned_reviews_from_document(document: dict[str, Any], *, location: str) -> CleanedReviews:
    """The index in `document`, read from the file `location` of a warehouse.

    Raises:
        TableError: the document is damaged.
    """
    fix = "materialize cleaned_reviews again"
    cleaned = parsed_document(document, CleanedReviews, location=location, error=TableError, fix=fix)
    return replace(cleaned, warehouse=path_at(location).parent)


def _bucket(
    number: int, files_by_batch: Mapping[str, Mapping[Path, int]], context: BuildContext
) -> tuple[Bucket, int, bool]:
    """The bucket with these files, its rows before deduplication, and whether its part was written now."""
    valid = {path: rows for files in files_by_batch.values() for path, rows in files.items()}
    name = part_name(f"{number:04d}", sorted(files_by_batch), context.code_version, context.settings.deduplication)
    part = context.warehouse / _DEDUPLICATED_FOLDER / name
    is_new = write_part(part, partial(_deduplicate, list(valid), context))
    valid_rows = sum(valid.values())
    return Bucket(number, valid_rows - _duplicate_count(part / _FILE), name), valid_rows, is_new


def _features_of_bucket(
    valid: Sequence[Path], deduplicated: Sequence[Path], part: Path, as_of: date, context: BuildContext
) -> bool:
    """Writes the part of a bucket; False where it is complete already."""
    engine = context.engine

    def aggregate(folder: Path) -> None:
        cleaned = _unique_reviews(valid, deduplicated, engine)
        engine.write(users.user_features(cleaned, as_of=as_of), folder / _FILE)

    return write_part(part, aggregate)


def _unique_reviews(valid: Sequence[Path], deduplicated: Sequence[Path], engine: Engine) -> nw.LazyFrame:
    return reviews.unique_reviews(engine.scan(valid), engine.scan(deduplicated))


def _deduplicate(valid_files: Sequence[Path], context: BuildContext, folder: Path) -> None:
    valid = context.engine.scan(valid_files)
    has_duplicates = context.settings.deduplication == "on"
    rows = reviews.deduplicated(valid) if has_duplicates else reviews.no_deduplicated_reviews(valid)
    context.engine.write(rows, folder / _FILE)


def _duplicate_count(deduplicated: Path) -> int:
    """The number of duplicate rows of the bucket."""
    with parquet_file(deduplicated) as file:
        return pc.sum(file.read(columns=["duplicate_count"])["duplicate_count"]).as_py() or 0
