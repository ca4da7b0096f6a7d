"""cleaned_reviews and user_features, made bucket by bucket: memory holds the users of one, however many there are.

How reviews get into buckets stands in routing.py; nothing is computed here but what steps/ say.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import parquet_file, path_at
from amzseg_pipeline.storage.parquet.partitions import TableParts, part_name, rows_in, write_part
from amzseg_pipeline.storage.warehouse.partitioning import PARTITIONED_FOLDER, PartitionedReviews, valid_files
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.stage import Stage

_SETTLED_FOLDER = "cleaned_reviews"
_FEATURES_FOLDER = "user_features"


@dataclass(frozen=True)
class Bucket:
    """A bucket that has reviews: how many, and the name of the part with those that have, or may have, copies."""

    number: int
    rows: int
    deduplicated_part: str


@dataclass(frozen=True)
class CleanedReviews:
    """cleaned_reviews in its parts: of every batch the valid rows, of every bucket what becomes of copies."""

    warehouse: Path
    batches: tuple[str, ...]
    buckets: tuple[Bucket, ...]

    @property
    def rows(self) -> int:
        """The number of reviews."""
        return sum(bucket.rows for bucket in self.buckets)

    @property
    def parts(self) -> tuple[Path, ...]:
        """Every folder that holds rows."""
        return (
            *(self.warehouse / PARTITIONED_FOLDER / name for name in self.batches),
            *(self.warehouse / _SETTLED_FOLDER / bucket.deduplicated_part for bucket in self.buckets),
        )

    def frame(self, engine: Engine, *buckets: Bucket) -> nw.LazyFrame:
        """The reviews of these buckets, of all where none is named."""
        chosen = buckets or self.buckets
        partitioned = [self.warehouse / PARTITIONED_FOLDER / name for name in self.batches]
        deduplicated_part = [self.warehouse / _SETTLED_FOLDER / bucket.deduplicated_part for bucket in chosen]
        return reviews.unique_reviews(
            engine.scan(
                [file for part in partitioned for bucket in chosen for file in valid_files(part, bucket.number)]
            ),
            engine.scan([file for part in deduplicated_part for file in sorted(part.glob("*.parquet"))]),
        )


def deduplicated_reviews(partitioned: PartitionedReviews, stage: Stage) -> CleanedReviews:
    """cleaned_reviews: settles the copies of every bucket whose routed reviews have changed."""
    files = {
        number: {name: found for name in partitioned.names if (found := valid_files(partitioned.folder / name, number))}
        for number in range(partitioned.buckets)
    }
    rows = {number: rows_in(path for found in files[number].values() for path in found) for number in files}
    progress = Progress("settling copies", total=sum(rows.values()), log=stage.log)
    buckets = []
    for number, by_batch in files.items():
        if by_batch:
            name = part_name(f"{number:04d}", sorted(by_batch), stage.code_version, stage.settings.deduplication)
            part = stage.warehouse / _SETTLED_FOLDER / name
            is_new = write_part(part, partial(_settle, [path for found in by_batch.values() for path in found], stage))
            buckets.append(Bucket(number, rows[number] - _duplicates_in(part), name))
            progress.add(rows[number], kept=not is_new)
    return CleanedReviews(stage.warehouse, partitioned.names, tuple(buckets))


def user_features(cleaned: CleanedReviews, stage: Stage, *, as_of: date) -> TableParts:
    """user_features: sums up the users of every bucket whose reviews have changed."""
    folder = stage.warehouse / _FEATURES_FOLDER
    progress = Progress("summing up users", total=cleaned.rows, log=stage.log)
    names = []
    for bucket in cleaned.buckets:
        name = part_name(f"{bucket.number:04d}", bucket.deduplicated_part, stage.code_version, as_of.isoformat())
        is_new = write_part(folder / name, partial(_sum_up, cleaned, bucket, stage.engine, as_of=as_of))
        progress.add(bucket.rows, kept=not is_new)
        names.append(name)
    paths = TableParts(folder, tuple(names), rows=0).paths
    return TableParts(folder, tuple(names), rows=rows_in(paths))


def cleaned_reviews_document(cleaned: CleanedReviews) -> dict[str, Any]:
    """The JSON object of `cleaned`."""
    return {"batches": cleaned.batches, "buckets": [asdict(bucket) for bucket in cleaned.buckets]}


def cleaned_reviews_from_document(document: dict[str, Any], *, place: str) -> CleanedReviews:
    """The CleanedReviews in `document`, read from the file `place` of a warehouse. TableError where it is not one."""
    try:
        buckets = tuple(Bucket(**bucket) for bucket in document["buckets"])
        return CleanedReviews(path_at(place).parent, tuple(document["batches"]), buckets)
    except (KeyError, TypeError) as error:
        raise TableError(f"{place}: no list of parts ({error!r}); materialise cleaned_reviews again.") from error


def _settle(valid_files: Sequence[Path], stage: Stage, folder: Path) -> None:
    valid = stage.engine.scan(valid_files)
    deduplicated_part = (
        reviews.deduplicated(valid) if stage.settings.deduplication == "on" else reviews.no_deduplicated_reviews(valid)
    )
    stage.engine.write_parts(deduplicated_part, folder)


def _sum_up(cleaned: CleanedReviews, bucket: Bucket, engine: Engine, folder: Path, *, as_of: date) -> None:
    engine.write_parts(users.user_features(cleaned.frame(engine, bucket), as_of=as_of), folder)


def _duplicates_in(deduplicated_part: Path) -> int:
    """The number of duplicate rows of the bucket."""
    duplicates = 0
    for path in sorted(deduplicated_part.glob("*.parquet")):
        with parquet_file(path) as file:
            counts = file.read(columns=["duplicate_count"])["duplicate_count"]
        duplicates += pc.sum(counts).as_py() or 0
    return duplicates
