"""Reviews in buckets give the tables that all rows at once give, whatever lands, changes or is taken away."""

import shutil
from collections.abc import Iterator
from datetime import date

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.steps.table_contract import duplicate_keys, rule_violations, schema_violations
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import raw_reviews_frame
from amzseg_pipeline.storage.parquet.partitions import delete_other_parts
from amzseg_pipeline.storage.warehouse import partitioning as routing
from amzseg_pipeline.storage.warehouse.cleaned_reviews import cleaned_reviews_document, cleaned_reviews_from_document
from amzseg_pipeline.storage.warehouse.partitioning import bucket_count
from amzseg_pipeline_tests.storage.engines.synthetic import (
    AS_OF,
    TABLES,
    data_root_of,
    duckdb_engine,
    item_batch,
    made_tables,
    review_batch,
    sorted_rows,
)

SMALL = {"bucket_rows": 1_000}
"""Settings with which most of the landing zones below lie in two buckets."""

ITEMS = item_batch()
FIRST, SECOND, THIRD = (review_batch(first, first + 1_000) for first in (0, 1_000, 2_000))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with duckdb_engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


def without_users(rows: pa.Table, share: int) -> pa.Table:
    """The same rows; one in `share` has no user, and so is no review."""
    missing = pa.array([number % share == 0 for number in range(len(rows))])
    names = rows.column_names
    return rows.set_column(names.index("user_id"), "user_id", pc.if_else(missing, None, rows["user_id"]))


def anew(data_root, tmp_path, engine, **settings):
    """The tables of the landing zone made without anything of earlier runs."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(data_root.landing, fresh / "landing")
    return made_tables(DataRoot(fresh), engine, **settings)


@pytest.mark.parametrize(
    ("rows", "bucket_rows", "buckets"),
    [
        (0, 4, 1),
        (4, 4, 1),
        (5, 4, 1),
        (6, 4, 2),
        (12, 4, 4),
        (10_000_000, 4_000_000, 2),
        (100_000_000, 4_000_000, 32),
        (571_540_000, 4_000_000, 128),
        (10**9, 1, 4096),
    ],
)
def test_buckets_are_a_power_of_two_of_about_the_wanted_size(rows, bucket_rows, buckets):
    assert bucket_count(rows, bucket_rows=bucket_rows) == buckets


@pytest.mark.parametrize("bucket_rows", [10_000, 1_500, 400])
def test_buckets_give_what_all_rows_at_once_give(tmp_path, engine, bucket_rows):
    data_root = data_root_of(tmp_path, a=without_users(FIRST, 10), b=SECOND, c=THIRD, meta=ITEMS)
    tables = made_tables(data_root, engine, bucket_rows=bucket_rows)
    raw, items = tables.raw, tables.items
    checked = reviews.validated_reviews(raw_reviews_frame(raw.reviews, engine))
    cleaned = reviews.cleaned_reviews(reviews.with_item_prices(checked, items))
    assert tables.partitioned.buckets == bucket_count(3_000, bucket_rows=bucket_rows)
    assert tables.rows("cleaned_reviews") == sorted_rows(cleaned)
    assert tables.rows("rejected_reviews") == sorted_rows(reviews.rejected_reviews(checked))
    assert tables.rows("user_features") == sorted_rows(users.user_features(cleaned, as_of=AS_OF))
    assert tables.cleaned.rows == len(tables.rows("cleaned_reviews")) < 2_900
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=raw.rows,
        cleaned=tables.cleaned.frame(engine),
        rejected=engine.scan(tables.partitioned.rejected.paths),
    )
    assert row_reconciliation.reconciles
    assert row_reconciliation.duplicates > 10
    assert sum(row_reconciliation.rejected.values()) == tables.partitioned.rejected.rows == 100


def test_the_tables_in_parts_keep_their_contracts(tmp_path, engine):
    tables = made_tables(data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS), engine, **SMALL)
    for frame, table in (
        (tables.cleaned.frame(engine), CLEANED_REVIEWS),
        (engine.scan(tables.features.paths), USER_FEATURES),
    ):
        assert schema_violations(frame, table) == []
        (counts,) = rule_violations(frame, table).collect("pyarrow").iter_rows(named=True)
        assert {rule: count for rule, count in counts.items() if count and rule != "rows"} == {}
        assert duplicate_keys(frame, table).collect("pyarrow").item() == 0


def test_a_user_is_in_one_bucket(tmp_path, engine):
    tables = made_tables(data_root_of(tmp_path, a=FIRST, b=SECOND), engine, bucket_rows=500)
    assert len(tables.cleaned.buckets) == 4
    by_bucket = [
        set(
            tables.cleaned.frame(engine, bucket).select("user_id").collect("pyarrow").to_native()["user_id"].to_pylist()
        )
        for bucket in tables.cleaned.buckets
    ]
    assert all(by_bucket)
    assert sum(map(len, by_bucket)) == len(set.union(*by_bucket))


def test_a_night_cleans_its_new_batch_alone(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    assert made_tables(data_root, engine, **SMALL).partitioned.new_rows == 2_000
    assert made_tables(data_root, engine, **SMALL).partitioned.new_rows == 0
    data_root_of(tmp_path, a=FIRST, b=SECOND, c=THIRD.slice(0, 300), meta=ITEMS)
    run_day = made_tables(data_root, engine, **SMALL)
    assert run_day.partitioned.new_rows == 300
    for name in TABLES:
        assert run_day.rows(name) == anew(data_root, tmp_path, engine, **SMALL).rows(name)


@pytest.mark.parametrize(
    ("change", "new_rows"),
    [
        ({"a": FIRST, "b": SECOND.slice(0, 999), "meta": ITEMS}, 999),
        # Half the rows take half the buckets, and are routed anew.
        ({"a": FIRST, "meta": ITEMS}, 1_000),
        ({"b": SECOND, "renamed": FIRST, "meta": ITEMS}, 0),
        ({"a": FIRST, "b": SECOND, "same": FIRST, "meta": ITEMS}, 0),
        ({"a": FIRST, "b": SECOND, "meta": ITEMS.slice(0, 100)}, 2_000),
        ({"a": FIRST, "b": SECOND}, 2_000),
        ({"a": FIRST, "b": without_users(SECOND, 1), "meta": ITEMS}, 1_000),
    ],
    ids=["replaced", "taken away", "renamed", "landed twice", "items changed", "items gone", "nothing but faults"],
)
def test_after_a_change_the_tables_are_those_of_a_full_recompute(tmp_path, engine, change, new_rows):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    made_tables(data_root, engine, **SMALL)
    data_root_of(tmp_path, **change)
    run_day, full = made_tables(data_root, engine, **SMALL), anew(data_root, tmp_path, engine, **SMALL)
    assert run_day.partitioned.new_rows == new_rows
    for name in TABLES:
        assert run_day.rows(name) == full.rows(name)


@pytest.mark.parametrize(
    ("settings", "code_version"), [({"bucket_rows": 500}, "1"), (SMALL, "2")], ids=["other buckets", "other code"]
)
def test_other_buckets_or_other_code_are_cleaned_anew(tmp_path, engine, settings, code_version):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    before = made_tables(data_root, engine, **SMALL)
    after = made_tables(data_root, engine, code_version=code_version, **settings)
    assert after.partitioned.new_rows == 2_000
    for name in TABLES:
        assert after.rows(name) == before.rows(name)


@pytest.mark.parametrize(
    ("limit", "bucket_rows"), [("_MOST_FILES", 1_000), ("_GROUP_ROWS", 1_000), ("_ALONE_ROWS", 10_000)]
)
def test_batches_routed_together_give_the_parts_that_each_gives_alone(
    tmp_path, engine, monkeypatch, limit, bucket_rows
):
    data_root = data_root_of(tmp_path, a=FIRST, b=without_users(SECOND, 1), c=THIRD.slice(0, 300), meta=ITEMS)
    together = made_tables(data_root, engine, bucket_rows=bucket_rows)
    rows = {name: together.rows(name) for name in TABLES}
    shutil.rmtree(data_root.warehouse)
    monkeypatch.setattr(routing, limit, 1)
    alone = made_tables(data_root, engine, bucket_rows=bucket_rows)
    assert alone.partitioned == together.partitioned
    assert {name: alone.rows(name) for name in TABLES} == rows
    assert {path.name for path in alone.partitioned.folder.iterdir()} == set(alone.partitioned.names)


def test_copies_are_found_across_batches_and_settled_by_what_they_say(tmp_path, engine):
    ratings = pa.array([5.0] * 1_000)
    better = FIRST.set_column(FIRST.column_names.index("rating"), "rating", ratings)
    alone = made_tables(data_root_of(tmp_path / "alone", a=better), engine, **SMALL)
    both = made_tables(data_root_of(tmp_path / "both", a=FIRST, b=better), engine, **SMALL)
    once, twice = alone.rows("cleaned_reviews"), both.rows("cleaned_reviews")
    assert [row | {"duplicate_count": 2 * row["duplicate_count"] + 1} for row in once] == twice
    assert both.rows("user_features") == alone.rows("user_features")


def test_without_a_search_every_valid_row_is_a_review(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=FIRST.slice(0, 10))
    assert made_tables(data_root, engine, deduplication="off", **SMALL).cleaned.rows == 1_010
    assert made_tables(data_root, engine, **SMALL).cleaned.rows < 1_000


def test_where_nothing_is_valid_there_are_no_reviews_and_no_users(tmp_path, engine):
    tables = made_tables(data_root_of(tmp_path, a=without_users(FIRST, 1)), engine, **SMALL)
    assert [len(tables.rows(name)) for name in TABLES] == [0, 1_000, 0]


def test_another_day_adds_up_users_anew_and_cleans_nothing(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST)
    before = made_tables(data_root, engine, **SMALL)
    after = made_tables(data_root, engine, as_of=date(2023, 9, 10), **SMALL)
    assert after.partitioned.new_rows == 0
    assert after.cleaned == before.cleaned
    assert {row["as_of"] for row in after.rows("user_features")} == {date(2023, 9, 10)}


@pytest.mark.parametrize("part", ["routed_reviews/*/bucket=1/*", "cleaned_reviews/0001-*/*", "user_features/0001-*/*"])
@pytest.mark.parametrize("damage", ["deleted", "cut"])
def test_a_part_that_lost_a_file_or_bytes_is_made_again(tmp_path, engine, part, damage):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND)
    whole = made_tables(data_root, engine, **SMALL)
    expected = [whole.rows(name) for name in TABLES]
    path = next(path for path in data_root.warehouse.glob(part) if path.suffix == ".parquet")
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    again = made_tables(data_root, engine, **SMALL)
    assert [again.rows(name) for name in TABLES] == expected


def test_parts_that_no_index_names_are_deleted(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND)
    made_tables(data_root, engine, **SMALL)
    data_root_of(tmp_path, a=FIRST)
    tables = made_tables(data_root, engine, **SMALL)
    leaving = data_root.warehouse / "user_features" / ".0000-killed.tmp"
    leaving.mkdir()
    delete_other_parts(tables.cleaned.parts)
    delete_other_parts(tables.features.parts)
    left = {
        path
        for name in ("partitioned_reviews", "cleaned_reviews", "user_features")
        for path in (data_root.warehouse / name).iterdir()
    }
    assert left == {*tables.cleaned.parts, *tables.features.parts}
    assert len(tables.rows("user_features")) > 0


def test_an_engine_that_fails_leaves_no_part(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST)
    tables = made_tables(data_root, engine, **SMALL)
    shutil.rmtree(data_root.warehouse / "user_features")

    class Failing:
        splits_work = False

        def __getattr__(self, name):
            return getattr(engine, name)

        def write_parts(self, frame, folder):
            engine.write_parts(frame, folder)
            raise OSError("the disk is full")

    with pytest.raises(Exception, match="the disk is full"):
        made_tables(data_root, Failing(), **SMALL)
    assert list((data_root.warehouse / "user_features").iterdir()) == []
    assert made_tables(data_root, engine, **SMALL).rows("user_features") == made_tables(
        data_root, engine, **SMALL
    ).rows("user_features")
    assert tables.cleaned.rows > 0


def test_the_index_of_cleaned_reviews_is_read_back_and_a_damaged_one_is_told(tmp_path, engine):
    cleaned = made_tables(data_root_of(tmp_path, a=FIRST), engine, **SMALL).cleaned
    document = cleaned_reviews_document(cleaned)
    place = str(tmp_path / "warehouse" / "cleaned_reviews.json")
    assert cleaned_reviews_from_document(document, place=place) == cleaned
    with pytest.raises(TableError, match="materialise cleaned_reviews again"):
        cleaned_reviews_from_document({"batches": []}, place=place)


batches = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 9)),
    min_size=1,
    max_size=4,
    unique_by=lambda b: b[0],
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(batches, min_size=2, max_size=3), buckets=st.sampled_from([50, 1_000]))
def test_any_nights_leave_what_a_full_recompute_makes(tmp_path_factory, engine, runs, buckets):
    root = tmp_path_factory.mktemp("history")
    for run_day in runs:
        # The landing zone of a night: slices of one population, which overlap, so that batches repeat reviews.
        exports = {name: review_batch(first * 10, (first + rows) * 10) for name, first, rows in run_day}
        data_root = data_root_of(root / "home", **exports, meta=ITEMS)
        tables = made_tables(data_root, engine, bucket_rows=buckets)
    full = anew(data_root, root, engine, bucket_rows=buckets)
    for name in TABLES:
        assert tables.rows(name) == full.rows(name)
    counted = sum(row["total_reviews"] for row in tables.rows("user_features"))
    assert counted == tables.cleaned.rows == tables.cleaned.frame(engine).select(nw.len()).collect("pyarrow").item()
