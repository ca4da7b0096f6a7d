"""The steps are pure: DuckDB, Polars and pandas compute identical tables from the same rows.

Integers, texts and dates are equal, floats to nine digits. Only DuckDB runs in production.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline_tests.storage.engines.synthetic import data_root_of, duckdb_engine, item_batch, review_batch
from benchmarks.generate_reviews import Population

AS_OF = date(2023, 9, 9)
SORT_BY = {"cleaned_reviews": ["user_id", "review_id"], "user_features": ["user_id"], "items": ["item_id"]}

Scan = Callable[[Path], nw.LazyFrame]


def polars_frame(path: Path) -> nw.LazyFrame:
    return nw.from_native(pl.scan_parquet(path))


def pandas_frame(path: Path) -> nw.LazyFrame:
    return nw.from_native(pq.read_table(path).to_pandas(types_mapper=pd.ArrowDtype)).lazy()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with duckdb_engine(tmp_path_factory.mktemp("duckdb"), memory_limit_mib=1_000) as opened:
        yield opened


def raw_files(data_root: DataRoot, engine: Engine) -> tuple[Path, Path]:
    """The raw reviews and the raw items of the landing zone, each as one parquet file."""
    raw = landing.raw_reviews(data_root, Settings(max_expansion_ratio=10_000), now=time.time(), skip_settling=False)
    paths = data_root.root / "raw_reviews.parquet", data_root.root / "raw_items.parquet"
    engine.write(landing.raw_reviews_frame(raw.reviews, engine), paths[0])
    engine.write(landing.raw_items_frame(raw.reviews, raw.items, engine), paths[1])
    return paths


def tables_of(scan: Scan, raw_reviews: Path, raw_items: Path) -> dict[str, pa.Table]:
    """Every table that the steps compute from raw rows, sorted by its key."""
    items = reviews.items(reviews.validated_items(scan(raw_items)))
    cleaned = reviews.cleaned_reviews(reviews.with_item_prices(reviews.validated_reviews(scan(raw_reviews)), items))
    frames = {"items": items, "cleaned_reviews": cleaned, "user_features": users.user_features(cleaned, as_of=AS_OF)}
    return {name: _sorted(frame, by=SORT_BY[name]) for name, frame in frames.items()}


def _sorted(frame: nw.LazyFrame, *, by: list[str]) -> pa.Table:
    rows = frame.collect("pyarrow").to_native()
    names = [name for name in rows.column_names if not name.startswith("__")]  # pandas adds its index
    return rows.select(names).sort_by([(name, "ascending") for name in by])


def differences(first: pa.Table, second: pa.Table) -> list[str]:
    """A message per difference between two tables."""
    if first.column_names != second.column_names or len(first) != len(second):
        return [f"{len(first)} rows of {first.column_names} and {len(second)} of {second.column_names}"]
    found = []
    for name in first.column_names:
        pairs = zip(first[name].to_pylist(), second[name].to_pylist(), strict=True)
        unequal = [pair for pair in pairs if not _equal(*pair)]
        if unequal:
            found.append(f"{name}: {len(unequal)} differ, such as {unequal[0]}")
    return found


def _equal(first: object, second: object) -> bool:
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=1e-9)
    return type(first) is type(second) and first == second


def test_lists_differences_between_tables():
    table = pa.table({"n": [1, 2], "x": [1.0, None]})
    assert differences(table, table) == []
    assert differences(table, pa.table({"n": [1, 3], "x": [1.0 + 1e-12, 0.0]})) == [
        "n: 1 differ, such as (2, 3)",
        "x: 1 differ, such as (None, 0.0)",
    ]
    assert differences(table, table.slice(1))
    assert differences(table, pa.table({"n": [1.0, 2.0], "x": [1.0, None]}))


def assert_parity(data_root: DataRoot, engine: Engine) -> dict[str, pa.Table]:
    """The tables that DuckDB computes from the landing zone; Polars and pandas compute the same."""
    files = raw_files(data_root, engine)
    expected = tables_of(lambda path: engine.scan([path]), *files)
    for library, scan in {"polars": polars_frame, "pandas": pandas_frame}.items():
        found = tables_of(scan, *files)
        assert {name: differences(expected[name], found[name]) for name in expected} == {
            name: [] for name in expected
        }, library
    return expected


def test_synthetic_reviews(tmp_path, engine):
    population = Population(20_000)
    reviews_batch, items = review_batch(0, 20_000, population), item_batch(population)
    tables = assert_parity(data_root_of(tmp_path, a=reviews_batch, meta=items), engine)
    assert len(tables["cleaned_reviews"]) < 20_000
    assert tables["user_features"]["avg_spend"].null_count < len(tables["user_features"]) / 2


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_million_synthetic_reviews(tmp_path, engine):
    population = Population(1_000_000)
    reviews_batch, items = review_batch(0, 1_000_000, population), item_batch(population)
    tables = assert_parity(data_root_of(tmp_path, a=reviews_batch, meta=items), engine)
    assert len(tables["user_features"]) > 80_000


@pytest.mark.real_data
def test_the_real_sales_export(tmp_path, real_data, engine):
    data_root = DataRoot(tmp_path)
    data_root.landing.mkdir()
    shutil.copy(real_data / "amazon.csv", data_root.landing)
    assert len(assert_parity(data_root, engine)["user_features"]) == 9_050


@pytest.mark.real_data
def test_the_real_reviews_of_gift_cards(tmp_path, real_data, engine):
    data_root = DataRoot(tmp_path)
    data_root.landing.mkdir()
    for name in ("Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz"):
        shutil.copy(real_data / name, data_root.landing)
    tables = assert_parity(data_root, engine)
    assert len(tables["user_features"]) == 458
    assert tables["cleaned_reviews"]["paid_minor"].null_count == 2_972 - 2_519
