"""States of buckets that are updated from earlier states equal those that are built from all rows."""

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse import bucket_state
from amzseg_pipeline_tests.storage.engines.synthetic import (
    TABLES,
    Tables,
    built_tables,
    data_root_of,
    duckdb_engine,
    item_batch,
    review_batch,
)

ITEMS = item_batch()
AS_OF = date(2023, 6, 1)
"""Earlier than the newest synthetic reviews, so that some count as future reviews."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with duckdb_engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _always_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_state, "_MAX_CHANGED_SHARE", 100)


def export(draw: random.Random) -> pa.Table:
    """Reviews of one population, some with other ratings, and times in 1970, 2090 or without a value."""
    first = draw.randrange(900)
    rows = review_batch(first, first + draw.randint(1, 120))
    for column, values in {"rating": [1.0, 5.0, None, 9.0], "timestamp": [10**9, 38 * 10**11, -1]}.items():
        changed = [draw.choice(values) if draw.random() < 0.05 else value for value in rows[column].to_pylist()]
        rows = rows.set_column(rows.column_names.index(column), column, pa.array(changed, rows[column].type))
    return rows


def next_day(exports: dict[str, pa.Table], draw: random.Random) -> dict[str, pa.Table]:
    """The exports after one to three were added, replaced, removed or delivered again under another name."""
    exports = dict(exports)
    for _ in range(draw.randint(1, 3)):
        change, name = draw.choice(["add", "add", "replace", "remove", "repeat"]), draw.choice(sorted(exports) or ["a"])
        new_name = f"e{draw.randrange(10**6)}"
        if change == "remove" and len(exports) > 1:
            del exports[name]
        elif change == "repeat" and name in exports:
            # The same reviews in other bytes: a separate batch of duplicates.
            exports[new_name] = exports[name].slice(0, max(1, len(exports[name]) - draw.randrange(3)))
        else:
            exports[name if change == "replace" else new_name] = export(draw)
    return exports


def tables_of(root: Path, exports: dict[str, pa.Table], engine: Engine, **settings: object) -> Tables:
    return built_tables(data_root_of(root, **exports, meta=ITEMS), engine, as_of=AS_OF, **settings)


def updates(data_root: DataRoot) -> int:
    """The number of states that were built from an earlier state."""
    summaries = (json.loads(path.read_text()) for path in data_root.warehouse.glob("bucket_states/*/summary.json"))
    return sum(summary["base"] is not None for summary in summaries)


def assert_days_equal_full_recomputes(root: Path, engine: Engine, *, seed: int, days: int) -> None:
    draw = random.Random(seed)
    settings = {"bucket_rows": draw.choice([500, 10_000]), "deduplication": draw.choice(["on", "on", "off"])}
    exports: dict[str, pa.Table] = {"first": review_batch(0, 300)}
    for day in range(days):
        tables = tables_of(root / "data", exports, engine, **settings)
        shutil.rmtree(root / "full", ignore_errors=True)
        full = tables_of(root / "full", exports, engine, **settings)
        assert updates(DataRoot(root / "full")) == 0
        for name in TABLES:
            assert tables.rows(name) == full.rows(name), (seed, day, name)
        exports = next_day(exports, draw)
    assert updates(DataRoot(root / "data")) > 0


@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_random_days_equal_full_recomputes(tmp_path_factory, engine, seed):
    assert_days_equal_full_recomputes(tmp_path_factory.mktemp("days"), engine, seed=seed, days=4)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(3))
def test_thirty_days_equal_full_recomputes(tmp_path, engine, seed):
    assert_days_equal_full_recomputes(tmp_path, engine, seed=seed, days=30)


def test_an_update_reads_the_rows_of_removed_batches(tmp_path, engine):
    exports = {"a": review_batch(0, 500), "b": review_batch(250, 700), "c": review_batch(100, 200)}
    tables_of(tmp_path / "data", exports, engine)
    del exports["b"]
    shutil.rmtree(next((tmp_path / "data" / "warehouse").glob("partitioned_reviews/*")))
    tables = tables_of(tmp_path / "data", exports, engine)
    full = tables_of(tmp_path / "full", exports, engine)
    for name in TABLES:
        assert tables.rows(name) == full.rows(name)


def test_many_changed_rows_build_from_all_rows(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(bucket_state, "_MAX_CHANGED_SHARE", 0.3)
    exports = {"a": review_batch(0, 500)}
    tables_of(tmp_path, exports, engine)
    exports["b"] = review_batch(500, 600)
    tables_of(tmp_path, exports, engine)
    assert updates(DataRoot(tmp_path)) == 1
    exports["c"] = review_batch(600, 1_600)
    tables_of(tmp_path, exports, engine)
    assert updates(DataRoot(tmp_path)) == 1
