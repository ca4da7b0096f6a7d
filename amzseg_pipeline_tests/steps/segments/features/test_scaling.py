"""Feature scaling against scikit-learn, and its refusals.

Over 250 lines: both transforms, and every refusal.
"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Shrinkage
from amzseg_pipeline.contracts.segments import SCALED_FEATURES
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.features.scaling import (
    REVIEW_COUNTS,
    feature_scaling,
    feature_values,
    in_standard_deviations,
    scaled_features,
    scaled_matrix,
)
from amzseg_pipeline_tests.steps.segments.users import scaling_of, three_types, users_of, with_sums

USER = st.tuples(
    st.integers(1, 50),
    st.none() | st.integers(10, 50).map(lambda tenths: tenths / 10),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(0, 1e9),
)


def test_scaling_equals_scikit_learns_standard_scaler() -> None:
    users = three_types(500)
    raw = SimpleImputer().fit_transform(users[list(FEATURES)].to_numpy())
    theirs = StandardScaler().fit(raw)
    scaling = feature_scaling(users, transform="none")
    assert [f.mean for f in scaling.features] == pytest.approx(theirs.mean_, rel=1e-12)
    assert [f.scale for f in scaling.features] == pytest.approx(theirs.scale_, rel=1e-12)
    assert np.abs(scaled_matrix(users, scaling) - theirs.transform(raw)).max() < 1e-12


SHRINKAGES = {
    "avg_rating": Shrinkage(mean=4.0, reviews=2.0),
    "avg_discount": Shrinkage(mean=40.0, reviews=0.5),
    "avg_spend": Shrinkage(mean=6.0, reviews=3.0),
}


def test_log_scaling_transforms_shrinks_and_winsorises() -> None:
    users = three_types(1000)
    users.loc[0, "avg_spend"] = 1e8
    users.loc[1, ["avg_spend", "avg_rating", "avg_discount"]] = np.nan
    users.loc[2, "rated_reviews"] = 0
    scaling = feature_scaling(users, transform="log", shrinkages=SHRINKAGES)
    n, known = users["total_reviews"], users["rated_reviews"].where(users["avg_rating"].notna(), 0)
    rating = (2 * 4 + known * users["avg_rating"].fillna(0)) / (2 + known)
    discount = ((0.5 * 40 + n * users["avg_discount"]) / (0.5 + n)).fillna(40)
    spend = ((3 * 6 + n * np.log1p(pd.Series(feature_values(users)["typical_price"]))) / (3 + n)).fillna(6)
    engagement = np.log1p(n * rating)
    axes = [np.log2(n), rating, discount, *(v.clip(*np.percentile(v, [0.5, 99.5])) for v in (spend, engagement))]
    weights = [math.sqrt(0.5), 1, 1, 1, math.sqrt(0.5)]
    expected = np.column_stack([w * (a - a.mean()) / a.std(ddof=0) for a, w in zip(axes, weights, strict=True)])
    assert scaled_matrix(users, scaling) == pytest.approx(expected, abs=1e-9)
    assert [f.transform for f in scaling.features] == ["log2", "identity", "identity", "log1p", "log1p"]
    assert [f.high is None for f in scaling.features] == [True, True, True, False, False]
    assert spend.max() > scaling.features[3].high > scaling.features[3].low > 0


def test_engagement_features_count_as_one_axis_unless_one_is_missing() -> None:
    users = three_types(300)
    weights = {f.name: f.weight for f in scaling_of(users, transform="log").features}
    assert weights == {**dict.fromkeys(FEATURES, 1.0), **dict.fromkeys(("total_reviews", "engagement_score"), 0.5**0.5)}
    assert {f.weight for f in scaling_of(users, transform="none").features} == {1.0}
    same_count = with_sums(users.assign(total_reviews=2.0, engagement_score=2 * users["avg_rating"]))
    assert {f.weight for f in scaling_of(same_count, transform="log").features} == {1.0}


def test_standard_deviations_have_no_weights() -> None:
    users = three_types(300, unknown=0)
    scaling = scaling_of(users, transform="log")
    assert in_standard_deviations(scaled_matrix(users, scaling), scaling).std(axis=0) == pytest.approx([1.0] * 5)


def many_prices(users: int, *, seed: int = 4) -> pd.DataFrame:
    """Users with 1 to 40 reviews whose prices come from one distribution."""
    rng = np.random.default_rng(seed)
    rows, log_sums = [], []
    for count in rng.integers(1, 41, users):
        prices = rng.lognormal(5.0, 1.0, count)
        rows.append((int(count), 4.0, 20.0, float(prices.mean())))
        log_sums.append(int((np.log1p(prices) * 1000).round().sum()))
    return users_of(rows).assign(log_paid_sum=log_sums)


def test_spend_does_not_grow_with_the_number_of_reviews() -> None:
    users = many_prices(3_000)
    shrinkage = dict.fromkeys(("avg_rating", "avg_discount", "avg_spend"), Shrinkage(mean=5.0, reviews=5.0))
    scaling = feature_scaling(users, transform="log", shrinkages=shrinkage)
    spend = scaled_matrix(users, scaling)[:, [f.name for f in scaling.features].index("avg_spend")]
    assert abs(np.corrcoef(spend, np.log2(users["total_reviews"]))[0, 1]) < 0.05


def test_the_typical_price_is_given_computed_or_the_mean() -> None:
    users = users_of([(1, 4.0, 0.0, 50.0), (2, 4.0, 0.0, 50.0), (2, 4.0, 0.0, None), (2, 4.0, 0.0, 50.0)])
    sums = [3932, round(1000 * (math.log(11) + math.log(91))), 0, 3 * 3932]
    computed = feature_values(users.assign(log_paid_sum=sums))["typical_price"]
    assert computed == pytest.approx([50.0, math.sqrt(11 * 91) - 1, np.nan, 50.0], rel=1e-3, nan_ok=True)
    assert feature_values(users.drop(columns="log_paid_sum"))["typical_price"].tolist()[:2] == [50.0, 50.0]
    assert feature_values(users.assign(typical_price=[9.0, 8.0, None, 99.0]))["typical_price"].tolist()[:2] == [
        9.0,
        8.0,
    ]


def test_missing_or_null_counts_are_total_reviews() -> None:
    users = three_types(300, unknown=0)
    scaling = feature_scaling(users, transform="log", shrinkages=SHRINKAGES)
    expected = scaled_matrix(users, scaling)
    counts = list(REVIEW_COUNTS.values())
    assert (scaled_matrix(users.drop(columns=counts), scaling) == expected).all()
    assert (scaled_matrix(users.assign(**dict.fromkeys(counts)), scaling) == expected).all()
    fewer = scaled_matrix(users.assign(**dict.fromkeys(counts, 1)), scaling)
    several = users["total_reviews"] > 1
    assert (fewer[~several] == expected[~several]).all()
    assert (fewer[several, 1:] != expected[several, 1:]).any(axis=0).all()


def test_an_unknown_mean_becomes_the_prior_mean() -> None:
    users = three_types(300, unknown=0)
    scaling = feature_scaling(users, transform="log", shrinkages=SHRINKAGES)
    unknown = users.assign(**dict.fromkeys(("avg_rating", "avg_discount", "avg_spend", "engagement_score")))
    prior = users.assign(avg_rating=4.0, avg_discount=40.0, avg_spend=np.expm1(6.0), typical_price=np.expm1(6.0))
    assert scaled_matrix(unknown, scaling) == pytest.approx(scaled_matrix(prior, scaling), abs=1e-12)


def test_means_of_few_reviews_are_shrunk_more() -> None:
    shrinkages = dict.fromkeys(SHRINKAGES, Shrinkage(mean=4.0, reviews=50.0))
    users = users_of([(1, 2.0, 10, 50), (1000, 2.0, 10, 50), (1, 5.0, 90, 50)])
    scaling = feature_scaling(users, transform="log", shrinkages=shrinkages)
    rating = scaled_matrix(users, scaling)[:, 1] * scaling.features[1].scale + scaling.features[1].mean
    assert rating == pytest.approx([4 - 2 / 51, 2 + 2 / 21, 4 + 1 / 51])


def test_logarithms_without_the_shrinkage_of_a_mean_are_refused() -> None:
    with pytest.raises(ModelError, match="no shrinkage of avg_discount is given; compute it over all users"):
        feature_scaling(three_types(9), transform="log", shrinkages={"avg_rating": Shrinkage(4.0, 2.0)})


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ([1] * 96 + [2] * 4, True),
        ([1] * 95 + [2] * 5, False),
        ([1] * 96 + [2, 3, 4, 5], True),
        ([1] * 89 + list(range(2, 13)), False),
        ([*range(1, 101)], False),
        ([7] * 100, False),
    ],
)
@pytest.mark.parametrize("transform", ["none", "log"])
def test_a_nearly_constant_feature_is_kept_with_a_warning(values: list[int], warned: bool, transform: str) -> None:
    users = three_types(100, unknown=0).assign(total_reviews=values)
    scaling = scaling_of(users, transform=transform)
    assert ["total_reviews" in each.reason or each.name for each in scaling.warnings] == ["total_reviews"] * warned
    if warned:
        assert "total_reviews" in [feature.name for feature in scaling.features]
        assert f"nearly constant: {values.count(1):.1f}% of users have 1" in scaling.warnings[0].reason


@given(st.lists(USER, min_size=1, max_size=30), st.randoms(), st.sampled_from(["none", "log"]))
def test_the_order_of_users_changes_no_bit(rows, random, transform) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(rows, len(rows))
    assert scaling_of(users_of(rows), transform=transform) == scaling_of(users_of(shuffled), transform=transform)


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
def test_a_constant_or_missing_feature_is_dropped_with_its_reason(
    column: str, value: object, reason: str, transform: str
) -> None:
    users = three_types(50).assign(**{column: value})
    scaling = scaling_of(users, transform=transform)
    assert [d.name for d in scaling.dropped] == [column]
    assert reason in scaling.dropped[0].reason
    assert column not in [f.name for f in scaling.features]


@pytest.mark.parametrize("spend", [[1e200, 0.0], [1.7e308, 1.7e308]])
def test_a_variance_beyond_float64_is_dropped_without_a_warning(spend: list[float]) -> None:
    users = three_types(2, unknown=0).assign(avg_spend=spend)
    dropped = {d.name: d.reason for d in feature_scaling(users, transform="none").dropped}
    assert "beyond" in dropped["avg_spend"]


def test_variance_just_above_the_minimum_is_kept() -> None:
    users = three_types(2, unknown=0).assign(avg_discount=[10.0, 10.0 + 4e-6])
    assert "avg_discount" in [f.name for f in feature_scaling(users, transform="none").features]


@pytest.mark.parametrize(
    ("column", "value", "message"),
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
def test_impossible_values_are_refused_by_name_and_number(column: str, value: float, message: str) -> None:
    users = three_types(9)
    scaling = feature_scaling(users, transform="none")
    users.loc[[3, 4], column] = value
    for refused in (lambda: feature_scaling(users, transform="none"), lambda: scaled_matrix(users, scaling)):
        with pytest.raises(ModelError, match=message):
            refused()


@pytest.mark.parametrize(
    ("users", "message"),
    [
        (three_types(3).head(0), "no users to fit a model on"),
        (three_types(3).drop(columns="avg_spend"), "no column avg_spend"),
        (three_types(3).assign(avg_spend="cheap"), "avg_spend holds values that are not numbers"),
    ],
)
def test_users_that_cannot_be_scaled_are_refused(users: pd.DataFrame, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        feature_scaling(users, transform="none")


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(ModelError, match="'logs'; give none or log"):
        feature_scaling(three_types(3), transform="logs")


def test_scaled_features_match_the_contract_with_null_dropped_features() -> None:
    users = three_types(20).assign(avg_discount=None)
    scaled = scaled_features(users, feature_scaling(users, transform="none"))
    assert tuple(scaled.columns) == SCALED_FEATURES.column_names
    assert scaled["avg_discount"].isna().all()
    assert not scaled.drop(columns="avg_discount").isna().any(axis=None)
    assert list(scaled["user_id"]) == list(users["user_id"])


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_every_pandas_backend_gives_the_same_numbers(backend: str) -> None:
    users = three_types(40)
    scaling = scaling_of(users, transform="log")
    converted = users.convert_dtypes(dtype_backend=backend)  # type: ignore[call-overload]
    assert scaling_of(converted, transform="log") == scaling
    assert (scaled_matrix(converted, scaling) == scaled_matrix(users, scaling)).all()
