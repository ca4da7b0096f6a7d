"""cleaned_reviews and user_features, built bucket by bucket, so that memory is bounded by the users of one bucket."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import narwhals as nw

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.parquet.partitions import TableParts, part_name, rows_by_file, write_part
from amzseg_pipeline.storage.warehouse.bucket_state import (
    DEDUPLICATED_FILE,
    STATES_FOLDER,
    SUMS_FILE,
    Bucket,
    bucket_of,
)
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.partitioning import PARTITIONED_FOLDER, BatchPart, PartitionedReviews
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.user_sums import with_active_months

_FEATURES_FOLDER = "user_features"
_FILE = "part.parquet"


@dataclass(frozen=True)
class CleanedReviews:
    """The index of cleaned_reviews: a part of valid rows per batch, and a state per bucket.

    `reference` is the day that the weights in the states refer to.
    """

    warehouse: Path
    batches: tuple[str, ...]
    buckets: tuple[Bucket, ...]
    reference: int

    @property
    def rows(self) -> int:
        """The number of reviews."""
        return sum(bucket.rows for bucket in self.buckets)

    @property
    def newest_reviewed_at_ms(self) -> int | None:
        """The time of the newest review, in milliseconds since 1970 UTC; None without dates."""
        return max((b.newest_reviewed_at_ms for b in self.buckets if b.newest_reviewed_at_ms is not None), default=None)

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

    def user_sums(self, engine: Engine, bucket: Bucket) -> nw.LazyFrame:
        """The merged_sums of the users of a bucket."""
        return engine.scan([self._state(bucket) / SUMS_FILE])

    def _state(self, bucket: Bucket) -> Path:
        return self.warehouse / STATES_FOLDER / bucket.state

    @cached_property
    def _batch_parts(self) -> tuple[BatchPart, ...]:
        return tuple(BatchPart(self.warehouse / PARTITIONED_FOLDER / name) for name in self.batches)


def deduplicated_reviews(partitioned: PartitionedReviews, build: BuildContext, *, run_date: date) -> CleanedReviews:
    """cleaned_reviews: builds the state of every bucket whose batches have changed."""
    reference = users.reference_day(users.as_of_date(partitioned.newest_reviewed_at_ms, run_date=run_date))
    by_bucket = [
        [batch for batch in partitioned.batches if batch.valid_files(number)] for number in range(partitioned.buckets)
    ]
    rows = [sum(sum(batch.valid_files(n).values()) for batch in batches) for n, batches in enumerate(by_bucket)]
    progress = Progress("deduplicating", total=sum(rows), log=build.log)
    buckets = []
    for number, batches in enumerate(by_bucket):
        if batches:
            bucket, is_new = bucket_of(number, batches, build, reference=reference)
            buckets.append(bucket)
            progress.add(rows[number], reused=not is_new)
    return CleanedReviews(build.warehouse, partitioned.names, tuple(buckets), reference)


def user_features(cleaned: CleanedReviews, build: BuildContext, *, as_of: date) -> TableParts:
    """user_features: computes the features of every bucket whose state or date has changed."""
    folder = build.warehouse / _FEATURES_FOLDER
    progress = Progress("computing features", total=cleaned.rows, log=build.log)
    names = []
    for bucket in cleaned.buckets:
        name = part_name(f"{bucket.number:04d}", bucket.state, build.code_version, as_of.isoformat())
        is_new = write_part(folder / name, partial(_write_features, cleaned, bucket, build.engine, as_of=as_of))
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


def _write_features(cleaned: CleanedReviews, bucket: Bucket, engine: Engine, folder: Path, *, as_of: date) -> None:
    """Users with future reviews, or reviews outside the range of the bitmaps, are aggregated from their reviews."""
    sums = cleaned.user_sums(engine, bucket)
    is_recounted = users.needs_recount(as_of=as_of).fill_null(False) | (nw.col("other_months") > 0)
    with engine.cache_scope():
        recounted = engine.cached(sums.filter(is_recounted).select("user_id"))
        frames = [with_active_months(sums.filter(~is_recounted), engine)]
        if recounted.select(nw.len()).collect("pyarrow").item():
            rows = cleaned.frame(engine, bucket).join(recounted, on="user_id", how="semi")
            measures = users.review_measures(rows, reference=cleaned.reference, as_of=as_of)
            frames.append(users.user_sums(measures).select(frames[0].collect_schema().names()))
        features = users.user_features_from_sums(nw.concat(frames), as_of=as_of, reference=cleaned.reference)
        engine.write(features, folder / _FILE)
