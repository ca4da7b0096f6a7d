"""Bucketed tables equal those computed from all rows at once, whatever arrives, changes or is removed.

Over 250 lines: an independent computation, and every change between two runs.
"""

import shutil
from collections.abc import Iterator
from datetime import date

import narwhals as nw
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedForNow, TableError
from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.steps.table_contract import duplicate_keys, rule_violations, schema_violations
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing import raw_reviews_frame
from amzseg_pipeline.storage.parquet.partitions import delete_other_parts
from amzseg_pipeline.storage.warehouse import partitioning
from amzseg_pipeline.storage.warehouse.cleaned_reviews import cleaned_reviews_document, cleaned_reviews_from_document
from amzseg_pipeline.storage.warehouse.partitioning import bucket_count
from amzseg_pipeline_tests.storage.engines.synthetic import (
    AS_OF,
    TABLES,
    built_tables,
    data_root_of,
    duckdb_engine,
    item_batch,
    review_batch,
    sorted_rows,
)

TWO_BUCKETS = {"bucket_rows": 1_000}
"""Two buckets for most of the landing zones below."""

ITEMS = item_batch()
FIRST, SECOND, THIRD = (review_batch(first, first + 1_000) for first in (0, 1_000, 2_000))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with duckdb_engine(tmp_path_factory.mktemp("engine")) as opened:
        yield opened


def without_users(rows: pa.Table, every: int) -> pa.Table:
    """The same rows; each `every`-th row has no user and is rejected."""
    missing = pa.array([number % every == 0 for number in range(len(rows))])
    names = rows.column_names
    return rows.set_column(names.index("user_id"), "user_id", pc.if_else(missing, None, rows["user_id"]))


def recomputed(data_root, tmp_path, engine, **settings):
    """The tables of the landing zone, built in an empty warehouse."""
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(data_root.landing, fresh / "landing")
    return built_tables(DataRoot(fresh), engine, **settings)


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
def test_bucket_count_is_a_power_of_two(rows, bucket_rows, buckets):
    assert bucket_count(rows, bucket_rows=bucket_rows) == buckets


@pytest.mark.parametrize("bucket_rows", [10_000, 1_500, 400])
def test_buckets_equal_all_rows_at_once(tmp_path, engine, bucket_rows):
    data_root = data_root_of(tmp_path, a=without_users(FIRST, 10), b=SECOND, c=THIRD, meta=ITEMS)
    tables = built_tables(data_root, engine, bucket_rows=bucket_rows)
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
    assert row_reconciliation.rejected == tables.partitioned.rejected.rows == 100


@pytest.mark.parametrize("bucket_rows", [10_000, 400])
def test_an_export_that_is_replaced_while_it_is_partitioned_is_refused(tmp_path, engine, bucket_rows):
    others = {} if bucket_rows == 10_000 else {"b": THIRD}
    data_root = data_root_of(tmp_path / "data", a=FIRST, meta=ITEMS, **others)

    class ReplacingEngine(Engine):
        """Someone replaces an export at the moment at which the engine starts to read it."""

        def write(self, frame, path):
            if path.name == "part.parquet":
                pq.write_table(SECOND, data_root.landing / "a.parquet")
            super().write(frame, path)

        def write_buckets(self, frame, folder, *, buckets):
            pq.write_table(SECOND, data_root.landing / "a.parquet")
            super().write_buckets(frame, folder, buckets=buckets)

    replacing = ReplacingEngine(Settings(threads=1), temporary=tmp_path / "temporary")
    with pytest.raises(RefusedForNow, match=r"a\.parquet: it changed"):
        built_tables(data_root, replacing, bucket_rows=bucket_rows)
    replacing.close()
    pq.write_table(FIRST, data_root.landing / "a.parquet")
    tables = built_tables(data_root, engine, bucket_rows=bucket_rows)
    assert tables.rows("cleaned_reviews") == recomputed(data_root, tmp_path, engine).rows("cleaned_reviews")


def test_bucketed_tables_satisfy_their_contracts(tmp_path, engine):
    tables = built_tables(data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS), engine, **TWO_BUCKETS)
    for frame, table in (
        (tables.cleaned.frame(engine), CLEANED_REVIEWS),
        (tables.frame("user_features"), USER_FEATURES),
    ):
        assert schema_violations(frame, table) == []
        (counts,) = rule_violations(frame, table).collect("pyarrow").iter_rows(named=True)
        assert {rule: count for rule, count in counts.items() if count and rule != "rows"} == {}
        assert duplicate_keys(frame, table).collect("pyarrow").item() == 0


def test_a_user_is_in_one_bucket(tmp_path, engine):
    tables = built_tables(data_root_of(tmp_path, a=FIRST, b=SECOND), engine, bucket_rows=500)
    assert len(tables.cleaned.buckets) == 4
    by_bucket = [
        set(
            tables.cleaned.frame(engine, bucket).select("user_id").collect("pyarrow").to_native()["user_id"].to_pylist()
        )
        for bucket in tables.cleaned.buckets
    ]
    assert all(by_bucket)
    assert sum(map(len, by_bucket)) == len(set.union(*by_bucket))


def test_cleans_only_new_batches(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    assert built_tables(data_root, engine, **TWO_BUCKETS).partitioned.new_rows == 2_000
    assert built_tables(data_root, engine, **TWO_BUCKETS).partitioned.new_rows == 0
    data_root_of(tmp_path, a=FIRST, b=SECOND, c=THIRD.slice(0, 300), meta=ITEMS)
    tables = built_tables(data_root, engine, **TWO_BUCKETS)
    assert tables.partitioned.new_rows == 300
    for name in TABLES:
        assert tables.rows(name) == recomputed(data_root, tmp_path, engine, **TWO_BUCKETS).rows(name)


@pytest.mark.parametrize(
    ("change", "new_rows"),
    [
        ({"a": FIRST, "b": SECOND.slice(0, 999), "meta": ITEMS}, 999),
        # Half the rows make half the buckets, so they are partitioned again.
        ({"a": FIRST, "meta": ITEMS}, 1_000),
        ({"b": SECOND, "renamed": FIRST, "meta": ITEMS}, 0),
        ({"a": FIRST, "b": SECOND, "same": FIRST, "meta": ITEMS}, 0),
        ({"a": FIRST, "b": SECOND, "meta": ITEMS.slice(0, 100)}, 2_000),
        ({"a": FIRST, "b": SECOND}, 2_000),
        ({"a": FIRST, "b": without_users(SECOND, 1), "meta": ITEMS}, 1_000),
    ],
    ids=["replaced", "removed", "renamed", "delivered twice", "items changed", "items removed", "all rows rejected"],
)
def test_changed_exports_equal_a_full_recompute(tmp_path, engine, change, new_rows):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    built_tables(data_root, engine, **TWO_BUCKETS)
    data_root_of(tmp_path, **change)
    tables = built_tables(data_root, engine, **TWO_BUCKETS)
    full = recomputed(data_root, tmp_path, engine, **TWO_BUCKETS)
    assert tables.partitioned.new_rows == new_rows
    for name in TABLES:
        assert tables.rows(name) == full.rows(name)


@pytest.mark.parametrize(
    ("settings", "code_version"),
    [({"bucket_rows": 500}, "1"), (TWO_BUCKETS, "2")],
    ids=["other buckets", "other code"],
)
def test_other_buckets_or_code_clean_all_batches_again(tmp_path, engine, settings, code_version):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND, meta=ITEMS)
    before = built_tables(data_root, engine, **TWO_BUCKETS)
    after = built_tables(data_root, engine, code_version=code_version, **settings)
    assert after.partitioned.new_rows == 2_000
    for name in TABLES:
        assert after.rows(name) == before.rows(name)


@pytest.mark.parametrize(
    ("limit", "bucket_rows"),
    [("_MAX_FILES", 1_000), ("_GROUP_ROWS", 1_000), ("_SINGLE_BUCKET_GROUP_ROWS", 10_000)],
)
def test_one_pass_over_batches_equals_a_pass_each(tmp_path, engine, monkeypatch, limit, bucket_rows):
    data_root = data_root_of(tmp_path, a=FIRST, b=without_users(SECOND, 1), c=THIRD.slice(0, 300), meta=ITEMS)
    together = built_tables(data_root, engine, bucket_rows=bucket_rows)
    rows = {name: together.rows(name) for name in TABLES}
    shutil.rmtree(data_root.warehouse)
    monkeypatch.setattr(partitioning, limit, 1)
    alone = built_tables(data_root, engine, bucket_rows=bucket_rows)
    assert alone.partitioned == together.partitioned
    assert {name: alone.rows(name) for name in TABLES} == rows
    assert {path.name for path in alone.partitioned.folder.iterdir()} == set(alone.partitioned.names)


def test_finds_duplicates_across_batches_and_keeps_the_best(tmp_path, engine):
    ratings = pa.array([5.0] * 1_000)
    better = FIRST.set_column(FIRST.column_names.index("rating"), "rating", ratings)
    alone = built_tables(data_root_of(tmp_path / "alone", a=better), engine, **TWO_BUCKETS)
    both = built_tables(data_root_of(tmp_path / "both", a=FIRST, b=better), engine, **TWO_BUCKETS)
    once, twice = alone.rows("cleaned_reviews"), both.rows("cleaned_reviews")
    assert [row | {"duplicate_count": 2 * row["duplicate_count"] + 1} for row in once] == twice
    assert both.rows("user_features") == alone.rows("user_features")


def test_without_deduplication_every_valid_row_is_a_review(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=FIRST.slice(0, 10))
    assert built_tables(data_root, engine, deduplication="off", **TWO_BUCKETS).cleaned.rows == 1_010
    assert built_tables(data_root, engine, **TWO_BUCKETS).cleaned.rows < 1_000


def test_without_valid_rows_there_are_no_reviews_and_no_users(tmp_path, engine):
    tables = built_tables(data_root_of(tmp_path, a=without_users(FIRST, 1)), engine, **TWO_BUCKETS)
    assert [len(tables.rows(name)) for name in TABLES] == [0, 1_000, 0]


def test_another_date_changes_features_and_cleans_nothing(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST)
    before = built_tables(data_root, engine, **TWO_BUCKETS)
    after = built_tables(data_root, engine, as_of=date(2023, 9, 10), **TWO_BUCKETS)
    assert after.partitioned.new_rows == 0
    assert after.rows("cleaned_reviews") == before.rows("cleaned_reviews")
    assert {row["as_of"] for row in after.rows("user_features")} == {date(2023, 9, 10)}


@pytest.mark.parametrize(
    "files",
    [
        *("partitioned_reviews/*/bucket=1/*", "partitioned_reviews/*/newest.json", "items/*/items.parquet"),
        *("bucket_states/0001-*/deduplicated.parquet", "bucket_states/0001-*/user_features.parquet"),
        "bucket_states/0001-*/summary.json",
    ],
)
@pytest.mark.parametrize("damage", ["deleted", "truncated"])
def test_rebuilds_a_part_with_a_missing_or_truncated_file(tmp_path, engine, files, damage):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND)
    intact = built_tables(data_root, engine, **TWO_BUCKETS)
    expected = [intact.rows(name) for name in TABLES]
    path = next(data_root.warehouse.glob(files))
    if damage == "deleted":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-10])
    again = built_tables(data_root, engine, **TWO_BUCKETS)
    assert [again.rows(name) for name in TABLES] == expected


def test_deletes_parts_that_no_index_lists(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST, b=SECOND)
    built_tables(data_root, engine, **TWO_BUCKETS)
    data_root_of(tmp_path, a=FIRST)
    tables = built_tables(data_root, engine, **TWO_BUCKETS)
    (data_root.warehouse / "bucket_states" / ".0000-killed.tmp").mkdir()
    delete_other_parts(tables.features.parts)
    delete_other_parts(tables.cleaned.parts)
    remaining = {
        path for name in ("partitioned_reviews", "bucket_states") for path in (data_root.warehouse / name).iterdir()
    }
    assert remaining == {*tables.cleaned.parts, *tables.features.parts}
    assert len(tables.rows("user_features")) > 0


def test_a_failed_write_leaves_no_part(tmp_path, engine):
    data_root = data_root_of(tmp_path, a=FIRST)
    tables = built_tables(data_root, engine, **TWO_BUCKETS)
    shutil.rmtree(data_root.warehouse / "bucket_states")

    class FailingEngine:
        def __getattr__(self, name):
            return getattr(engine, name)

        def write(self, frame, path):
            engine.write(frame, path)
            if path.name == "user_features.parquet":
                raise OSError("the disk is full")

    with pytest.raises(Exception, match="the disk is full"):
        built_tables(data_root, FailingEngine(), **TWO_BUCKETS)
    assert list((data_root.warehouse / "bucket_states").iterdir()) == []
    assert built_tables(data_root, engine, **TWO_BUCKETS).rows("user_features") == tables.rows("user_features")


def test_reads_the_index_and_refuses_a_damaged_one(tmp_path, engine):
    cleaned = built_tables(data_root_of(tmp_path, a=FIRST), engine, **TWO_BUCKETS).cleaned
    document = cleaned_reviews_document(cleaned)
    location = str(tmp_path / "warehouse" / "cleaned_reviews.json")
    assert cleaned_reviews_from_document(document, location=location) == cleaned
    with pytest.raises(TableError, match="materialize cleaned_reviews again"):
        cleaned_reviews_from_document({"batches": []}, location=location)


landing_zones = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 9)),
    min_size=1,
    max_size=4,
    unique_by=lambda export: export[0],
)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(landing_zones, min_size=2, max_size=3), bucket_rows=st.sampled_from([50, 1_000]))
def test_any_sequence_of_runs_equals_a_full_recompute(tmp_path_factory, engine, runs, bucket_rows):
    root = tmp_path_factory.mktemp("history")
    for landing_zone in runs:
        # Overlapping slices of one population, so that batches repeat reviews.
        exports = {name: review_batch(first * 10, (first + rows) * 10) for name, first, rows in landing_zone}
        data_root = data_root_of(root / "data", **exports, meta=ITEMS)
        tables = built_tables(data_root, engine, bucket_rows=bucket_rows)
    full = recomputed(data_root, root, engine, bucket_rows=bucket_rows)
    for name in TABLES:
        assert tables.rows(name) == full.rows(name)
    counted = sum(row["total_reviews"] for row in tables.rows("user_features"))
    assert counted == tables.cleaned.rows == tables.cleaned.frame(engine).select(nw.len()).collect("pyarrow").item()
