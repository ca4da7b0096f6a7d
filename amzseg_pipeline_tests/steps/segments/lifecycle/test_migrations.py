import itertools
from dataclasses import replace
from datetime import date
from functools import cache

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.history import NO_SEGMENT, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.steps.segments import (
    assigned_users,
    moved_by_model,
    scored_users,
    segment_migrations,
    with_previous_segments,
)
from amzseg_pipeline.steps.segments.model.serialization import model_version
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of, with_sums

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)
USERS = three_types(300, unknown=0)
FOLLOWED = ["previous_segment_id", "previous_segment_name", "segment_since", "change_cause"]


@cache
def champion() -> Model:
    return model_of(USERS, k=3)


def moved_model(model: Model, by: float) -> Model:
    """The same segments with all centroids but the first moved along every axis."""
    segments = tuple(
        replace(s, centroid=tuple(c + by * (i > 0) for c in s.centroid)) for i, s in enumerate(model.segments)
    )
    return replace(model, segments=segments, version=model_version(model.scaling, segments))


@cache
def other() -> Model:
    return moved_model(champion(), 1.5)


def lazy(frame: pd.DataFrame, engine: str = "pandas") -> nw.LazyFrame:
    typed = frame.convert_dtypes(dtype_backend="pyarrow")
    return nw.from_native(ENGINES[engine](pa.Table.from_pandas(typed, preserve_index=False))).lazy()


def run(users: pd.DataFrame, before: pd.DataFrame | None, *, model: Model | None = None, as_of: date = SECOND):
    """The assignments of `users` in a run after one with the assignments `before`."""
    joined = (
        with_previous_segments(lazy(users), None if before is None else lazy(before)).collect("pyarrow").to_native()
    )
    frame = joined.to_pandas(types_mapper=pd.ArrowDtype).sort_values("user_id", ignore_index=True)
    previous = None if before is None else champion()
    return assigned_users(frame, model or champion(), champion=previous, as_of=as_of, run_date=as_of)


@cache
def first_run() -> pd.DataFrame:
    return run(USERS, None, as_of=FIRST)


def causes_of(assignments: pd.DataFrame) -> dict[str, int]:
    return assignments["change_cause"].fillna("stayed").value_counts().to_dict()


def with_high_prices(users: pd.DataFrame, rows: slice) -> pd.DataFrame:
    """`users`, of whom `rows` now buy expensive items without discounts."""
    changed = users.copy()
    changed.loc[changed.index[rows], ["avg_spend", "avg_discount"]] = [9_000.0, 0.0]
    changed.loc[changed.index[rows], "total_reviews"] += 1
    return with_sums(changed)


def test_in_the_first_run_everyone_is_new() -> None:
    assert causes_of(first_run()) == {"new user": 300}
    assert first_run()["previous_segment_id"].isna().all()
    assert set(first_run()["segment_since"]) == {FIRST}


def test_following_users_does_not_change_scores() -> None:
    scored = scored_users(USERS, champion(), as_of=FIRST)
    pd.testing.assert_frame_equal(first_run().drop(columns=FOLLOWED), scored.drop(columns=FOLLOWED))


def test_users_who_stay_keep_their_date_and_have_no_cause() -> None:
    after = run(USERS, first_run())
    assert causes_of(after) == {"stayed": 300}
    assert set(after["segment_since"]) == {FIRST}
    assert (after["previous_segment_id"] == after["segment_id"]).all()
    assert (after["previous_segment_name"] == after["segment_name"]).all()
    assert run(USERS, after)["segment_since"].tolist() == [FIRST] * 300


def test_changed_behaviour_moves_users_with_that_cause() -> None:
    after = run(with_high_prices(USERS, slice(0, 60)), first_run())
    moved = after[after["segment_id"] != after["previous_segment_id"]]
    assert 20 < len(moved) < 60
    assert set(moved["change_cause"]) == {"behaviour"}
    assert set(moved["segment_since"]) == {SECOND}
    assert (moved["previous_segment_id"].tolist() == first_run().loc[moved.index, "segment_id"]).all()
    assert moved_by_model(lazy(after)) == 0


def test_changed_features_with_the_same_reviews_have_cause_data() -> None:
    corrected = with_sums(with_high_prices(USERS, slice(0, 60)).assign(total_reviews=USERS["total_reviews"]))
    after = run(corrected, first_run())
    assert causes_of(after).keys() == {"stayed", "data"}
    assert moved_by_model(lazy(after)) == 0


def test_moves_by_another_model_have_that_cause() -> None:
    after = run(USERS, first_run(), model=other())
    causes = causes_of(after)
    assert set(causes) == {"stayed", "model"}
    assert moved_by_model(lazy(after)) == causes["model"] > 20


def test_causes_are_decided_user_by_user() -> None:
    features = ["total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score"]
    exchanged = USERS.copy()
    exchanged.loc[:149, features] = USERS.loc[:149, features].to_numpy()[::-1]
    changed = with_sums(exchanged)
    after = run(changed, first_run(), model=other())
    old, new = (scored_users(USERS, model, as_of=FIRST)["segment_id"].to_numpy() for model in (champion(), other()))
    old_now = scored_users(changed, champion(), as_of=FIRST)["segment_id"].to_numpy()
    now = after["segment_id"].to_numpy()
    by_behaviour, by_model = old_now != old, new != old
    same_count = (changed["total_reviews"] == USERS["total_reviews"]).to_numpy()
    alone = by_behaviour & ~by_model
    expected = np.select(
        [now == old, alone & same_count, alone, by_model & ~by_behaviour],
        ["stayed", "data", "behaviour", "model"],
        "both",
    )
    assert after["change_cause"].fillna("stayed").tolist() == expected.tolist()
    assert set(expected) == {"stayed", "data", "behaviour", "model", "both"}


def test_a_model_that_scores_differently_under_its_version_is_found() -> None:
    after = run(USERS, first_run(), model=replace(other(), version=champion().version))
    assert moved_by_model(lazy(after)) > 20


def test_new_users_have_that_cause() -> None:
    after = run(USERS, first_run().head(280))
    assert causes_of(after) == {"stayed": 280, "new user": 20}
    assert after["previous_segment_id"].isna().sum() == 20


@pytest.mark.parametrize("engine", ENGINES)
def test_migrations_add_up_to_both_runs(engine: str) -> None:
    changed = with_high_prices(USERS, slice(0, 150)).tail(250)
    before = first_run().tail(290)
    after = run(changed, before.head(270), model=other())
    found = segment_migrations(lazy(after, engine), lazy(before.head(270), engine))
    assert tuple(found.columns) == SEGMENT_MIGRATIONS.column_names
    users = found["users"]
    assert users[found["to_segment_id"] != NO_SEGMENT].sum() == len(changed) == 250
    assert users[found["from_segment_id"] != NO_SEGMENT].sum() == 270
    assert users[found["cause"] == "left"].sum() == 40
    assert users[found["cause"] == "new user"].sum() == 20
    assert found.groupby("from_segment_id")["share"].sum().tolist() == pytest.approx([1.0] * 4)
    keys = found[list(SEGMENT_MIGRATIONS.key)].to_numpy().tolist()
    assert keys == sorted(keys)
    assert len({tuple(key) for key in keys}) == len(keys)


def test_migrations_of_the_first_run_are_new_users() -> None:
    found = segment_migrations(lazy(first_run()), None)
    assert set(found["from_segment_id"]) == set(found["from_segment_name"]) == {NO_SEGMENT}
    assert found["users"].sum() == 300
    assert set(found["cause"]) == {"new user"}


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=4))
def test_splitting_into_batches_changes_no_bit(cuts: list[int]) -> None:
    changed = with_high_prices(USERS, slice(0, 150))
    frame = with_previous_segments(lazy(changed), lazy(first_run())).collect("pyarrow").to_native()
    joined = frame.to_pandas(types_mapper=pd.ArrowDtype).sort_values("user_id", ignore_index=True)
    complete = assigned_users(joined, other(), champion=champion(), as_of=SECOND, run_date=SECOND)
    edges = [0, *sorted(cuts), len(joined)]
    parts = [
        assigned_users(joined.iloc[a:b], other(), champion=champion(), as_of=SECOND, run_date=SECOND)
        for a, b in itertools.pairwise(edges)
    ]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), complete, check_exact=True)


def test_no_users_give_no_rows() -> None:
    after = run(USERS.head(0), first_run())
    assert (len(after), tuple(after.columns)) == (0, SEGMENT_ASSIGNMENTS.column_names)
    gone = segment_migrations(lazy(after), lazy(first_run()))
    assert set(gone["cause"]) == {"left"}
    assert gone["users"].sum() == 300


def test_one_user_who_comes_back_is_new() -> None:
    users = users_of([(3, 4.0, 10.0, 500.0)] * 2)
    assert causes_of(run(users, run(users.head(1), None, as_of=FIRST))) == {"stayed": 1, "new user": 1}
