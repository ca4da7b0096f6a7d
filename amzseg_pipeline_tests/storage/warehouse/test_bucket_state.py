"""States of buckets that are built from earlier states equal those that are built from all rows."""

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

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
from benchmarks.generate_reviews import item_ids

FIRST_DAY = date(2024, 2, 20)
"""The stored weights refer to another day from 2024-03-18 on."""

_VALUES = {
    "user_id": [f"u{number}" for number in range(12)] + [""],
    "review_id": [f"r{number}" for number in range(50)],
    "rating": ["1", "2.5", "4", "5", "5", "", "9"],
    "paid_price": ["", "", "12.50", "99", "nothing"],
    "list_price": ["", "100", "200"],
    "rating_count": ["", "1", "20"],
    "reviewed_at": [
        "",
        "1975-05-01",
        "1992-12-31",
        "2019-01-01",
        "2024-01-31",
        "2024-02-01",
        "2024-02-25",
        "2060-01-01",
    ],
}
"""Texts that an export may have; most times are written often, so that duplicates agree on some of them."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with duckdb_engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


@pytest.fixture
def _always_from_a_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_state, "_MAX_CHANGED_SHARE", 100)


def random_export(draw: random.Random) -> pa.Table:
    """Reviews in the 2023 format, whose ids are item and time, or reviews with ids that repeat with other values."""
    if draw.random() < 0.4:
        first = draw.randrange(250)
        return review_batch(first, first + draw.randint(1, 60))
    rows = draw.randint(1, 40)
    items = item_ids(pa.array(range(5)).to_numpy()).to_pylist()
    weights = {"reviewed_at": [2, 1, 1, 6, 6, 6, 4, 1]}
    columns = {name: draw.choices(texts, weights.get(name), k=rows) for name, texts in _VALUES.items()}
    # Half the reviews have a user of their own, half the ids are written again by the same user.
    columns["review_id"] = [
        f"{user}{text}" for user, text in zip(columns["user_id"], columns["review_id"], strict=True)
    ]
    return pa.table({**columns, "item_id": draw.choices(items, k=rows), "currency": ["USD"] * rows})


def random_items(draw: random.Random) -> pa.Table:
    """The metadata of all items; one in ten has another price."""
    items = item_batch()
    prices = [str(draw.randint(1, 99)) if draw.random() < 0.1 else price for price in items["price"].to_pylist()]
    return items.set_column(items.column_names.index("price"), "price", pa.array(prices, pa.string()))


def next_day(exports: dict[str, pa.Table], draw: random.Random) -> dict[str, pa.Table]:
    """The exports after up to three were added, replaced, removed, delivered again or given other prices."""
    exports = dict(exports)
    for _ in range(draw.randint(0, 3)):
        names = sorted(set(exports) - {"meta"})
        change = draw.choices(["add", "replace", "remove", "repeat", "prices"], [4, 2, 2, 2, 1])[0]
        name, new_name = draw.choice(names), f"e{draw.randrange(10**6)}"
        if change == "prices":
            exports["meta"] = random_items(draw)
        elif change == "remove" and len(names) > 1:
            del exports[name]
        elif change == "repeat":
            # The same reviews in another order, without some: a batch of duplicates.
            rows = exports[name]
            taken = draw.sample(range(len(rows)), draw.randint(1, len(rows)))
            exports[new_name] = rows.take(pa.array(taken))
        else:
            exports[name if change == "replace" else new_name] = random_export(draw)
    return exports


def states_from_bases(data_root: DataRoot) -> set[str]:
    """The names of the states that were built from an earlier state."""
    summaries = data_root.warehouse.glob("bucket_states/*/summary.json")
    return {path.parent.name for path in summaries if json.loads(path.read_text())["base"]}


def assert_equal_tables(found: Tables, expected: Tables, *, context: object = None) -> None:
    for name in TABLES:
        assert found.rows(name) == expected.rows(name), (context, name)


def assert_days_equal_full_recomputes(root: Path, engine: Engine, *, seed: int, days: int, bucket_rows: int) -> None:
    draw = random.Random(seed)
    settings = {"bucket_rows": bucket_rows, "deduplication": "off" if seed == 12 else "on"}
    exports, as_of, from_bases = {"first": review_batch(0, 300), "meta": random_items(draw)}, FIRST_DAY, set[str]()
    for day in range(days):
        data_root = data_root_of(root / "data", **exports)
        tables = built_tables(data_root, engine, as_of=as_of, **settings)
        from_bases |= states_from_bases(data_root)
        shutil.rmtree(root / "full", ignore_errors=True)
        full = data_root_of(root / "full", **exports)
        assert_equal_tables(tables, built_tables(full, engine, as_of=as_of, **settings), context=(seed, day))
        assert states_from_bases(full) == set()
        exports, as_of = next_day(exports, draw), as_of + timedelta(days=draw.choice([0, 1, 1, 3, -2]))
    assert len(from_bases) >= days // 4, "the seed hardly ever uses an earlier state"


@pytest.mark.usefixtures("_always_from_a_base")
def test_random_days_equal_full_recomputes(tmp_path, engine):
    assert_days_equal_full_recomputes(tmp_path, engine, seed=2, days=5, bucket_rows=10_000)


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.usefixtures("_always_from_a_base")
@pytest.mark.parametrize(("seed", "bucket_rows"), [(10, 10_000), (11, 150), (12, 10_000), (13, 400)])
def test_thirty_days_equal_full_recomputes(tmp_path, engine, seed, bucket_rows):
    assert_days_equal_full_recomputes(tmp_path, engine, seed=seed, days=30, bucket_rows=bucket_rows)


def test_a_lost_part_of_a_removed_batch_builds_from_all_rows(tmp_path, engine):
    exports = {"a": review_batch(0, 500), "b": review_batch(250, 350), "c": review_batch(100, 200)}
    before = built_tables(data_root_of(tmp_path / "data", **exports), engine)
    del exports["b"]
    for part in before.partitioned.batches:
        if part.valid_files(0) and sum(part.valid_files(0).values()) == 100:
            shutil.rmtree(part.path)
    data_root = data_root_of(tmp_path / "data", **exports)
    tables = built_tables(data_root, engine)
    assert states_from_bases(data_root) == set()
    assert_equal_tables(tables, built_tables(data_root_of(tmp_path / "full", **exports), engine))


def test_many_changed_rows_build_from_all_rows(tmp_path, engine):
    exports = {"a": review_batch(0, 500), "b": review_batch(500, 600)}
    built_tables(data_root_of(tmp_path, a=exports["a"]), engine)
    data_root = data_root_of(tmp_path, **exports)
    built_tables(data_root, engine)
    assert len(states_from_bases(data_root)) == 1
    built_tables(data_root_of(tmp_path, **exports, c=review_batch(600, 1_600)), engine)
    assert len(states_from_bases(data_root)) == 1


def test_times_outside_the_bitmap_count_as_months(tmp_path, engine):
    times = ["2036-05-01", "2036-05-31", "2036-06-01", "2040-01-01", "2024-01-01"]
    rows = pa.table(
        {
            "user_id": ["u"] * 5,
            "review_id": list("abcde"),
            "item_id": ["i"] * 5,
            "rating": ["5"] * 5,
            "paid_price": ["1"] * 5,
            "currency": ["USD"] * 5,
            "reviewed_at": times,
        }
    )
    for exports in ({"a": rows.slice(0, 3)}, {"a": rows.slice(0, 3), "b": rows.slice(3)}):
        tables = built_tables(data_root_of(tmp_path, **exports), engine, as_of=date(2050, 1, 1))
        (user,) = tables.rows("user_features")
        assert (
            user["active_months"]
            == pc.count_distinct(pc.utf8_slice_codeunits(pa.array(times[: user["total_reviews"]]), 0, 7)).as_py()
        )
