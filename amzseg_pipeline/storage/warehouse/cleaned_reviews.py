"""cleaned_reviews and user_features, built bucket by bucket, so that memory is bounded by the users of one bucket."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import narwhals as nw

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.parquet.partitions import TableParts, rows_by_file
from amzseg_pipeline.storage.warehouse.bucket_state import (
    DEDUPLICATED_FILE,
    FEATURES_FILE,
    STATES_FOLDER,
    Bucket,
    bucket_of,
)
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.partitioning import PARTITIONED_FOLDER, BatchPart, PartitionedReviews
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.tasks import task_results


@dataclass(frozen=True)
class CleanedReviews:
    """The index of cleaned_reviews: a part of valid rows per batch, and a state per bucket."""

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
        return (*(batch.path for batch in self._batch_parts), *(self._state(bucket) for bucket in self.buckets))

    def frame(self, engine: Engine, *buckets: Bucket) -> nw.LazyFrame:
        """The reviews of these buckets; of all buckets by default."""
        chosen = buckets or self.buckets
        valid = [path for batch in self._batch_parts for bucket in chosen for path in batch.valid_files(bucket.number)]
        deduplicated = [self._state(bucket) / DEDUPLICATED_FILE for bucket in chosen]
        return reviews.unique_reviews(engine.scan(valid), engine.scan(deduplicated))

    def rows_of_parts(self, engine: Engine, parts: Collection[Path]) -> nw.LazyFrame:
        """The valid rows of a batch or the deduplicated reviews of a bucket, whichever each of the parts has.

        Those of all parts contain every review, and rows that are replaced as duplicates.
        """
        valid = [
            path
            for batch in self._batch_parts
            if batch.path in parts
            for bucket in self.buckets
            for path in batch.valid_files(bucket.number)
        ]
        states = [state / DEDUPLICATED_FILE for state in map(self._state, self.buckets) if state in parts]
        frames = [reviews.without_duplicates(engine.scan(valid))] if valid else []
        frames += [engine.scan(states)] if states else []
        return nw.concat(frames)

    def _state(self, bucket: Bucket) -> Path:
        return self.warehouse / STATES_FOLDER / bucket.state

    @cached_property
    def _batch_parts(self) -> tuple[BatchPart, ...]:
        return tuple(BatchPart(self.warehouse / PARTITIONED_FOLDER / name) for name in self.batches)


def deduplicated_reviews(partitioned: PartitionedReviews, build: BuildContext, *, as_of: date) -> CleanedReviews:
    """cleaned_reviews: builds the state of every bucket whose batches, or date, have changed."""
    by_bucket = [
        [batch for batch in partitioned.batches if batch.valid_files(number)] for number in range(partitioned.buckets)
    ]
    rows = [sum(sum(batch.valid_files(n).values()) for batch in batches) for n, batches in enumerate(by_bucket)]
    progress = Progress("deduplicating", total=sum(rows), log=build.log)
    buckets = []
    tasks = [
        partial(bucket_of, number, [batch.of_bucket(number) for batch in batches], as_of=as_of)
        for number, batches in enumerate(by_bucket)
        if batches
    ]
    for _, (bucket, is_new) in task_results(tasks, build):
        buckets.append(bucket)
        progress.add(rows[bucket.number], reused=not is_new)
    buckets.sort(key=attrgetter("number"))
    return CleanedReviews(build.warehouse, partitioned.names, tuple(buckets))


def user_features(cleaned: CleanedReviews) -> TableParts:
    """user_features: the features in the states of the buckets."""
    folder, names = cleaned.warehouse / STATES_FOLDER, tuple(bucket.state for bucket in cleaned.buckets)
    rows = sum(rows_by_file(folder / name)[FEATURES_FILE] for name in names)
    return TableParts(folder, names, rows=rows, file=FEATURES_FILE)


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
