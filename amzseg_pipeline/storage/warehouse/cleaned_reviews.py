"""cleaned_reviews and user_features, built bucket by bucket, so that memory is bounded by the users of one bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
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
        chosen = buckets or self.buckets
        valid = [path for batch in self._batch_parts for bucket in chosen for path in batch.valid_files(bucket.number)]
        return reviews.unique_reviews(
            engine.scan(valid),
            engine.scan([self.warehouse / _DEDUPLICATED_FOLDER / bucket.deduplicated / _FILE for bucket in chosen]),
        )

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
    for number, by_batch in enumerate(by_bucket):
        valid = {path: rows for files in by_batch.values() for path, rows in files.items()}
        if valid:
            name = part_name(f"{number:04d}", sorted(by_batch), context.code_version, context.settings.deduplication)
            part = context.warehouse / _DEDUPLICATED_FOLDER / name
            is_new = write_part(part, partial(_deduplicate, list(valid), context))
            valid_rows = sum(valid.values())
            buckets.append(Bucket(number, valid_rows - _duplicate_count(part / _FILE), name))
            progress.add(valid_rows, reused=not is_new)
    return CleanedReviews(context.warehouse, partitioned.names, tuple(buckets))


def user_features(cleaned: CleanedReviews, context: BuildContext, *, as_of: date) -> TableParts:
    """user_features: aggregates the users of every bucket whose reviews have changed."""
    folder = context.warehouse / _FEATURES_FOLDER
    progress = Progress("aggregating users", total=cleaned.rows, log=context.log)
    names = []
    for bucket in cleaned.buckets:
        name = part_name(f"{bucket.number:04d}", bucket.deduplicated, context.code_version, as_of.isoformat())
        is_new = write_part(folder / name, partial(_aggregate, cleaned, bucket, context.engine, as_of=as_of))
        progress.add(bucket.rows, reused=not is_new)
        names.append(name)
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


def _deduplicate(valid_files: Sequence[Path], context: BuildContext, folder: Path) -> None:
    valid = context.engine.scan(valid_files)
    has_duplicates = context.settings.deduplication == "on"
    rows = reviews.deduplicated(valid) if has_duplicates else reviews.no_deduplicated_reviews(valid)
    context.engine.write(rows, folder / _FILE)


def _aggregate(cleaned: CleanedReviews, bucket: Bucket, engine: Engine, folder: Path, *, as_of: date) -> None:
    engine.write(users.user_features(cleaned.frame(engine, bucket), as_of=as_of), folder / _FILE)


def _duplicate_count(deduplicated: Path) -> int:
    """The number of duplicate rows of the bucket."""
    with parquet_file(deduplicated) as file:
        return pc.sum(file.read(columns=["duplicate_count"])["duplicate_count"]).as_py() or 0
