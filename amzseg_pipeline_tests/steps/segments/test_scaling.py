import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.segments import SCALED_FEATURES
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.scaling import feature_scaling, scaled_features, scaled_matrix, unscaled_matrix
from amzseg_pipeline_tests.steps.segments.users import three_kinds, users_of

USER = st.tuples(
    st.integers(1, 50),
    st.none() | st.integers(10, 50).map(lambda tenths: tenths / 10),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(0, 1e9),
)


def test_scaling_equals_scikit_learns_standard_scaler() -> None:
    users = three_kinds(500)
    raw = SimpleImputer().fit_transform(users[list(FEATURES)].to_numpy())
    theirs = StandardScaler().fit(raw)
    scaling = feature_scaling(users, transform="none")
    assert [f.mean for f in scaling.features] == pytest.approx(theirs.mean_, rel=1e-12)
    assert [f.scale for f in scaling.features] == pytest.approx(theirs.scale_, rel=1e-12)
    assert np.abs(scaled_matrix(users, scaling) - theirs.transform(raw)).max() < 1e-12


def test_logarithms_are_taken_and_long_tails_cut_at_the_percentiles() -> None:
    users = three_kinds(1000, unknown=0)
    users.loc[0, "avg_spend"] = 1e8
    scaling = feature_scaling(users, transform="log")
    logs = np.log1p(users["avg_spend"].to_numpy())
    low, high = np.percentile(logs, [0.5, 99.5])
    spend = next(f for f in scaling.features if f.name == "avg_spend")
    assert [f.transform for f in scaling.features] == ["log2", "identity", "identity", "log1p", "log1p"]
    assert (spend.low, spend.high) == (low, high)
    clipped = np.clip(logs, low, high)
    expected = (clipped - clipped.mean()) / clipped.std()
    assert scaled_matrix(users, scaling)[:, 3] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("transform", ["none", "log"])
def test_unscaling_gives_the_features_back(transform: str) -> None:
    users = three_kinds(300, unknown=0)
    scaling = feature_scaling(users, transform=transform)
    back = unscaled_matrix(scaled_matrix(users, scaling), scaling)
    inside = [
        (f.low is None) | (np.log1p(users[f.name]).between(f.low or -math.inf, f.high or math.inf))
        for f in scaling.features
    ]
    for i, name in enumerate(FEATURES):
        kept = np.broadcast_to(inside[i], len(users))
        assert back[kept, i] == pytest.approx(users[name].to_numpy()[kept], rel=1e-9)


@given(st.lists(USER, min_size=1, max_size=30), st.randoms(), st.sampled_from(["none", "log"]))
def test_the_order_of_users_changes_no_bit(rows, random, transform) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(rows, len(rows))
    assert feature_scaling(users_of(rows), transform=transform) == feature_scaling(
        users_of(shuffled), transform=transform
    )


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("avg_discount", 10.0, "users do not differ"),
        ("avg_discount", math.nan, "no user has a value"),
        ("avg_spend", None, "no user has a value"),
        ("avg_spend", 0.1, "users do not differ"),
        ("total_reviews", 1, "users do not differ"),
    ],
)
@pytest.mark.parametrize("transform", ["none", "log"])
def test_a_feature_that_tells_nothing_is_dropped_with_the_reason(
    column: str, value: object, reason: str, transform: str
) -> None:
    users = three_kinds(50).assign(**{column: value})
    scaling = feature_scaling(users, transform=transform)
    assert [d.name for d in scaling.dropped] == [column]
    assert reason in scaling.dropped[0].reason
    assert column not in [f.name for f in scaling.features]


@pytest.mark.parametrize("spend", [[1e200, 0.0], [1.7e308, 1.7e308]])
def test_a_variance_beyond_float64_is_dropped_without_a_warning(spend: list[float]) -> None:
    users = three_kinds(2, unknown=0).assign(avg_spend=spend)
    dropped = {d.name: d.reason for d in feature_scaling(users, transform="none").dropped}
    assert "beyond" in dropped["avg_spend"]


def test_a_variance_just_above_the_least_is_kept() -> None:
    users = three_kinds(2, unknown=0).assign(avg_discount=[10.0, 10.0 + 4e-6])
    assert "avg_discount" in [f.name for f in feature_scaling(users, transform="none").features]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("avg_spend", math.inf, "avg_spend of 2 of 9 users is infinite"),
        ("avg_spend", -math.inf, "avg_spend of 2 of 9 users"),
        ("avg_spend", -0.01, "not within 0 to inf"),
        ("total_reviews", -3, "total_reviews of 2 of 9 users"),
        ("total_reviews", 0, "not within 1 to inf reviews"),
        ("avg_rating", 5.1, "not within 1 to 5 stars"),
        ("avg_discount", 101, "not within 0 to 100 percent"),
    ],
)
def test_impossible_values_are_refused_by_name_and_number(column: str, value: float, words: str) -> None:
    users = three_kinds(9)
    scaling = feature_scaling(users, transform="none")
    users.loc[[3, 4], column] = value
    for refused in (lambda: feature_scaling(users, transform="none"), lambda: scaled_matrix(users, scaling)):
        with pytest.raises(ModelError, match=words):
            refused()


@pytest.mark.parametrize(
    ("users", "words"),
    [
        (three_kinds(3).head(0), "no users to fit a model on"),
        (three_kinds(3).drop(columns="avg_spend"), "no column avg_spend"),
        (three_kinds(3).assign(avg_spend="cheap"), "avg_spend holds what is no number"),
    ],
)
def test_users_that_cannot_be_scaled_are_refused(users: pd.DataFrame, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        feature_scaling(users, transform="none")


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(ModelError, match="'logs'; give none or log"):
        feature_scaling(three_kinds(3), transform="logs")


def test_scaled_features_keep_their_contract_and_dropped_ones_are_null() -> None:
    users = three_kinds(20).assign(avg_discount=None)
    scaled = scaled_features(users, feature_scaling(users, transform="none"))
    assert tuple(scaled.columns) == SCALED_FEATURES.column_names
    assert scaled["avg_discount"].isna().all()
    assert not scaled.drop(columns="avg_discount").isna().any(axis=None)
    assert list(scaled["user_id"]) == list(users["user_id"])


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_every_kind_of_pandas_column_gives_the_same_numbers(backend: str) -> None:
    users = three_kinds(40)
    scaling = feature_scaling(users, transform="log")
    converted = users.convert_dtypes(dtype_backend=backend)  # type: ignore[call-overload]
    assert feature_scaling(converted, transform="log") == scaling
    assert (scaled_matrix(converted, scaling) == scaled_matrix(users, scaling)).all()
