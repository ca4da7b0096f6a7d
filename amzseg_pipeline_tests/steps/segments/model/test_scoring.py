import itertools
import math
from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments import scored_users
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of

AS_OF = date(2024, 5, 17)
USERS = three_types(700)
TRANSFORMS = ("none", "log")


@cache
def model_with(transform: str) -> Model:
    return model_of(USERS, transform=transform, k=5)


@cache
def one_segment() -> Model:
    return model_of(users_of([(1, 4.0, 10.0, 5.0)] * 3))


def positions(scored: pd.DataFrame, model: Model) -> list[int]:
    ids = [segment.segment_id for segment in model.segments]
    return [ids.index(segment_id) for segment_id in scored["segment_id"]]


def with_centroids(*centroids: tuple[float, ...]) -> Model:
    model = model_with("none")
    segments = tuple(replace(s, centroid=c) for s, c in zip(model.segments, centroids, strict=False))
    return replace(model, segments=segments)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_segments_are_those_scikit_learn_predicts(transform: str) -> None:
    model = model_with(transform)
    others = three_types(3000, seed=11)
    kmeans = KMeans(5, n_init=1, random_state=0).fit(scaled_matrix(USERS, model.scaling))
    kmeans.cluster_centers_ = np.array([segment.centroid for segment in model.segments])
    matrix = np.ascontiguousarray(scaled_matrix(others, model.scaling))
    scored = scored_users(others, model, as_of=AS_OF)
    assert positions(scored, model) == kmeans.predict(matrix).tolist()
    distances = np.sort(kmeans.transform(matrix), axis=1)
    assert scored["distance"].to_numpy() == pytest.approx(distances[:, 0], abs=1e-9)
    assert scored["margin"].to_numpy() == pytest.approx(1 - distances[:, 0] / distances[:, 1], abs=1e-9)


@given(st.lists(st.integers(0, 700), max_size=6), st.sampled_from(TRANSFORMS))
def test_splitting_into_batches_changes_no_bit(cuts: list[int], transform: str) -> None:
    complete = scored_users(USERS, model_with(transform), as_of=AS_OF)
    edges = [0, *sorted(cuts), len(USERS)]
    batches = [USERS.iloc[a:b] for a, b in itertools.pairwise(edges)]
    parts = [scored_users(batch, model_with(transform), as_of=AS_OF) for batch in batches]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), complete, check_exact=True)


def test_chunks_do_not_change_scores() -> None:
    many = pd.concat([USERS] * 60, ignore_index=True)
    scored = scored_users(many, model_with("log"), as_of=AS_OF)
    first = scored_users(USERS, model_with("log"), as_of=AS_OF)
    pd.testing.assert_frame_equal(scored.tail(700).reset_index(drop=True), first, check_exact=True)


def test_the_order_of_rows_is_kept() -> None:
    shuffled = USERS.sample(frac=1, random_state=2)
    scored = scored_users(shuffled, model_with("none"), as_of=AS_OF)
    assert list(scored["user_id"]) == list(shuffled["user_id"])
    as_given = scored_users(USERS, model_with("none"), as_of=AS_OF)
    pd.testing.assert_frame_equal(scored, as_given.loc[shuffled.index].reset_index(drop=True), check_exact=True)


def test_the_frame_keeps_its_contract() -> None:
    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
    }
    scored = scored_users(USERS, model_with("none"), as_of=AS_OF)
    table = pa.Table.from_pandas(scored, preserve_index=False)
    assert table.schema.names == list(SEGMENT_ASSIGNMENTS.column_names)
    for column in SEGMENT_ASSIGNMENTS.columns:
        assert table.schema.field(column.name).type == types[column.type], column.name
        assert column.nullable or table[column.name].null_count == 0, column.name
    assert table["avg_rating"].null_count == USERS["avg_rating"].isna().sum() > 0
    assert table["margin"].null_count == 0
    assert set(scored["as_of"]) == {AS_OF}
    assert set(scored["model_version"]) == {model_with("none").version}


def test_features_are_returned_unchanged() -> None:
    scored = scored_users(USERS, model_with("log"), as_of=AS_OF)
    for name in FEATURES:
        assert scored[name].to_numpy(float, na_value=np.nan).tolist() == pytest.approx(
            USERS[name].tolist(), nan_ok=True, abs=0
        )


def test_an_unknown_value_counts_as_the_mean_of_training() -> None:
    model = model_with("none")
    means = {f.name: f.impute for f in model.scaling.features}
    unknown = USERS.head(5).assign(avg_rating=None, engagement_score=None, avg_spend=None)
    known = unknown.assign(**{name: means[name] for name in ("avg_rating", "engagement_score", "avg_spend")})
    columns = ["segment_id", "distance", "second_segment_id", "margin"]
    pd.testing.assert_frame_equal(
        scored_users(unknown, model, as_of=AS_OF)[columns], scored_users(known, model, as_of=AS_OF)[columns]
    )


def test_ties_go_to_the_smallest_segment_id() -> None:
    zero, far = (0.0,) * 5, (50.0,) * 5
    scored = scored_users(USERS.head(20), with_centroids(far, zero, zero, far), as_of=AS_OF)
    assert set(scored["segment_id"]) == {"S0002"}
    assert set(scored["second_segment_id"]) == {"S0003"}
    assert set(scored["margin"]) == {0.0}


def test_a_user_on_two_centroids_has_margin_zero() -> None:
    user = USERS.head(1)
    position = tuple(scaled_matrix(user, model_with("none").scaling)[0].tolist())
    scored = scored_users(user, with_centroids(position, position), as_of=AS_OF)
    assert (scored["distance"][0], scored["margin"][0]) == (0.0, 0.0)


def test_with_one_segment_there_is_no_second() -> None:
    scored = scored_users(USERS, one_segment(), as_of=AS_OF)
    assert set(scored["segment_name"]) == {"All Customers"}
    assert scored["second_segment_id"].isna().all()
    assert scored["margin"].isna().all()
    assert set(scored["distance"]) == {0.0}
    assert not scored["is_outlier"].any()


def test_outliers_are_farther_out_than_training_users() -> None:
    model = model_with("none")
    scored = scored_users(USERS, model, as_of=AS_OF)
    bounds = {s.segment_id: s.outlier_distance for s in model.segments}
    expected = [d > bounds[i] for d, i in zip(scored["distance"], scored["segment_id"], strict=True)]
    assert scored["is_outlier"].tolist() == expected
    assert 0 < sum(expected) < 20


def test_one_review_is_low_evidence() -> None:
    scored = scored_users(USERS, model_with("none"), as_of=AS_OF)
    assert scored["is_low_evidence"].tolist() == (USERS["total_reviews"] == 1).tolist()


def test_no_users_give_no_rows() -> None:
    scored = scored_users(USERS.head(0), model_with("none"), as_of=AS_OF)
    assert (len(scored), tuple(scored.columns)) == (0, SEGMENT_ASSIGNMENTS.column_names)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("avg_spend", math.inf, "avg_spend of 3 of 700 users is infinite"),
        ("total_reviews", -1, "total_reviews of 3 of 700 users"),
        ("engagement_score", -math.inf, "engagement_score of 3 of 700 users"),
    ],
)
@pytest.mark.parametrize("transform", [*TRANSFORMS, "one segment"])
def test_impossible_values_are_refused_by_name(column: str, value: float, message: str, transform: str) -> None:
    model = model_with(transform) if transform in TRANSFORMS else one_segment()
    users = USERS.copy()
    users.loc[[1, 5, 600], column] = value
    with pytest.raises(ModelError, match=message):
        scored_users(users, model, as_of=AS_OF)


def test_users_are_not_changed() -> None:
    users = USERS.copy()
    scored_users(users, model_with("log"), as_of=AS_OF)
    pd.testing.assert_frame_equal(users, USERS)


def test_rfm_groups_follow_recency_and_count() -> None:
    users = three_types(9, unknown=0).assign(
        recency_days=[0, 180, 180, 181, 365, 366, 900, 900, None], total_reviews=[5, 4, 1, 9, 1, 2, 1, 30, 4]
    )
    groups = scored_users(users, model_with("none"), as_of=AS_OF)["rfm_group"]
    assert groups.fillna("-").tolist() == [
        *("champions", "loyal", "recent", "needs attention", "needs attention", "at risk", "inactive", "at risk", "-")
    ]


def test_total_spend_is_the_sum_of_prices_in_the_currency() -> None:
    users = three_types(3, unknown=0).assign(paid_minor_sum=[12345, 0, 7], avg_spend=[1.0, 0.0, None])
    spend = scored_users(users, model_with("none"), as_of=AS_OF)["total_spend"]
    assert spend.fillna(-1).tolist() == [123.45, 0.0, -1.0]
    assert scored_users(USERS, model_with("none"), as_of=AS_OF)["total_spend"].isna().all()
