"""Landing zones of synthetic reviews, and the tables that a run builds from them, without Dagster."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import RawReviews
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse import cleaned_reviews as buckets
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews
from amzseg_pipeline.storage.warehouse.items import item_tables
from amzseg_pipeline.storage.warehouse.partitioning import PartitionedReviews, partitioned_reviews
from benchmarks.generate_reviews import Population, item_rows, review_rows

AS_OF = date(2023, 9, 9)
POPULATION = Population(3_000)


def review_batch(first: int, last: int, population: Population = POPULATION) -> pa.Table:
    """An export with the reviews `first` to `last` - 1 of the population."""
    return review_rows(population, first, last)


def item_batch(population: Population = POPULATION) -> pa.Table:
    """An export with all items of the population."""
    return item_rows(population, 0, population.items)


def data_root_of(root: Path, **exports: pa.Table) -> DataRoot:
    """A data root with one export, `<name>.parquet`, per keyword and no others."""
    data_root = DataRoot(root)
    data_root.landing.mkdir(parents=True, exist_ok=True)
    for path in data_root.landing.iterdir():
        path.unlink()
    for name, rows in exports.items():
        pq.write_table(rows, data_root.landing / f"{name}.parquet")
    return data_root


@dataclass(frozen=True)
class Tables:
    """The tables of one run."""

    engine: Engine
    raw: RawReviews
    items: nw.LazyFrame
    partitioned: PartitionedReviews
    cleaned: CleanedReviews
    features: TableParts

    def frame(self, name: str) -> nw.LazyFrame:
        """cleaned_reviews, rejected_reviews or user_features."""
        if name == "cleaned_reviews":
            return self.cleaned.frame(self.engine)
        if name == "rejected_reviews":
            return self.engine.scan(self.partitioned.rejected.paths)
        return self.engine.scan(self.features.paths).select(USER_FEATURES.column_names)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table, sorted."""
        return sorted_rows(self.frame(name))


TABLES = ("cleaned_reviews", "rejected_reviews", "user_features")


def sorted_rows(frame: nw.LazyFrame) -> list[dict[str, Any]]:
    """All rows, sorted by their values."""
    return sorted(frame.collect("pyarrow").to_native().to_pylist(), key=lambda row: str(sorted(row.items())))


def built_tables(
    data_root: DataRoot, engine: Engine, *, code_version: str = "1", as_of: date = AS_OF, **settings: Any
) -> Tables:
    """The tables of the landing zone, built on the warehouse of earlier calls."""
    values = Settings(**settings)
    raw = landing.raw_reviews(data_root, values, now=time.time(), skip_settling=False)
    build = BuildContext(engine, data_root.warehouse, code_version, values, log=[].append)
    items = engine.scan(item_tables(raw, build)[0].paths)
    partitioned = partitioned_reviews(raw, lambda _: items, build)
    cleaned = buckets.deduplicated_reviews(partitioned, build, as_of=as_of)
    return Tables(engine, raw, items, partitioned, cleaned, buckets.user_features(cleaned))


@contextmanager
def duckdb_engine(folder: Path, **settings: Any) -> Iterator[Engine]:
    """An engine with two threads and little memory."""
    engine = Engine(Settings(**{"threads": 2, "memory_limit_mib": 500, **settings}), temporary=folder)
    try:
        yield engine
    finally:
        engine.close()
