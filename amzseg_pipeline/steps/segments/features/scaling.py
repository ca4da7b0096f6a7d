"""Feature scaling: from user features to the coordinates of the clusters.

Over 250 lines: fit and use of the scaling share its transforms.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import (
    DroppedFeature,
    FeatureScaling,
    FeatureWarning,
    ScaledFeature,
    Shrinkage,
    Transform,
)
from amzseg_pipeline.contracts.schema import Column
from amzseg_pipeline.contracts.segments import SCALED_FEATURES
from amzseg_pipeline.contracts.users import COUNT_COLUMNS, FEATURE_COLUMNS, FEATURES, TYPICAL_PRICE, USER_FEATURES
from amzseg_pipeline.steps.segments.features.sampling import strata
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame

Matrix = npt.NDArray[np.float64]
Users = pd.DataFrame | Mapping[str, Matrix]
"""User features by column: a frame, or arrays with NaN where unknown, which cost less for a few users."""

MIN_VARIANCE = 1e-12
WINSORISED_PERCENTILES = (0.5, 99.5)

MOST_COMMON_OVER_SECOND = 19.0
MIN_DISTINCT_SHARE = 0.1
"""A feature beyond both limits is nearly constant (Kuhn and Johnson 2013; caret's nearZeroVar)."""

REVIEW_COUNTS = {"avg_rating": "rated_reviews", "avg_discount": "discounted_reviews", "avg_spend": "priced_reviews"}
"""Mean -> the column with the number of reviews behind it."""

_TRANSFORMS: dict[Transform, Callable[[Matrix], Matrix]] = {
    "identity": lambda values: values,
    "log1p": np.log1p,
    "log2": np.log2,
}
_LOG_FORM: dict[str, Transform] = {"total_reviews": "log2", "avg_spend": "log1p", "engagement_score": "log1p"}
_WINSORISED_IN_LOG_FORM = ("avg_spend", "engagement_score")

_LOG_PAID_SUM = next(column for column in USER_FEATURES.columns if column.name == "log_paid_sum")

_ENGAGEMENT = ("total_reviews", "engagement_score")
_ENGAGEMENT_WEIGHT = math.sqrt(0.5)
"""The two correlate above .95; weighted, they count as one axis in squared distances."""


def feature_scaling(
    sample: pd.DataFrame, *, transform: str, shrinkages: Mapping[str, Shrinkage] | None = None
) -> FeatureScaling:
    """The scaling fitted on `sample` (contracts.USER_FEATURES, in any order).

    Mean and scale are those of StandardScaler (population standard deviation). A feature without values or with a
    variance below 1e-12 or beyond float64 is dropped; a nearly constant feature gets a warning.

    Args:
        sample: The users of the training sample.
        transform: "none" takes the features as they are and imputes nulls with the mean. "log" takes log2 of
            total_reviews, shrunk means (of ln(1 + price) for avg_spend) and log1p of total_reviews x the shrunk
            rating; avg_spend and engagement_score are winsorised at the 0.5 and 99.5 percentiles, and total_reviews
            and engagement_score are weighted with sqrt(1/2) each.
        shrinkages: The shrinkage of each mean, from all users; required for "log".

    Raises:
        ModelError: There are no users, or a value is outside its contract's range.
    """
    if transform not in ("none", "log"):
        raise ModelError(f"settings: transform is {transform!r}; give none or log.")
    if sample.empty:
        raise ModelError("user_features: there are no users to fit a model on; add an export to landing/.")
    values = feature_values(sample)
    if transform == "none":
        fitted = [_plain(name, values) for name in FEATURES]
    else:
        fitted = [_in_logarithms(name, values, shrinkages or {}) for name in FEATURES]
    kept = tuple(feature for feature in fitted if isinstance(feature, ScaledFeature))
    if transform == "log" and {feature.name for feature in kept}.issuperset(_ENGAGEMENT):
        kept = tuple(replace(f, weight=_ENGAGEMENT_WEIGHT) if f.name in _ENGAGEMENT else f for f in kept)
    return FeatureScaling(
        transform="log" if transform == "log" else "none",
        features=kept,
        dropped=tuple(feature for feature in fitted if isinstance(feature, DroppedFeature)),
        warnings=tuple(_nearly_constant(kept, values)),
        users=len(sample),
    )


def scaled_features(sample: pd.DataFrame, scaling: FeatureScaling) -> pd.DataFrame:
    """The rows of `sample` as contracts.SCALED_FEATURES; dropped features are null."""
    matrix = scaled_matrix(sample, scaling)
    by_name: dict[str, object] = {feature.name: matrix[:, i] for i, feature in enumerate(scaling.features)}
    missing = {dropped.name: np.full(len(sample), np.nan) for dropped in scaling.dropped}
    keys = {"user_id": sample["user_id"], "user_hash": sample["user_hash"], "stratum": strata(sample["total_reviews"])}
    return contract_frame(SCALED_FEATURES, {**keys, **by_name, **missing})


def scaled_matrix(users: Users, scaling: FeatureScaling) -> Matrix:
    """The scaled features of `users`: users x features, in the order of the scaling.

    Each row depends on its own user only, so batches can be split anywhere. Raises ModelError as feature_scaling.
    """
    return scaled_values(feature_values(users), scaling)


def scaled_values(values: Mapping[str, Matrix], scaling: FeatureScaling) -> Matrix:
    """As scaled_matrix, from feature_values."""
    matrix = np.empty((len(values["total_reviews"]), len(scaling.features)), order="F")
    for i, feature in enumerate(scaling.features):
        matrix[:, i] = (_bounded(_axis(feature, values), feature) - feature.mean) / feature.scale * feature.weight
    return matrix


def in_standard_deviations(coordinates: Matrix, scaling: FeatureScaling) -> Matrix:
    """Scaled users or centroids without the weights of features, in standard deviations of all users."""
    return np.asarray(coordinates / np.array([feature.weight for feature in scaling.features]))


def _plain(name: str, values: Mapping[str, Matrix]) -> ScaledFeature | DroppedFeature:
    known = values[name][~np.isnan(values[name])]
    if not known.size:
        return _dropped_without_values(name)
    return _fitted(_unfitted(name, "identity", impute=_mean(known), shrinkage=None), values, with_bounds=False)


def _in_logarithms(
    name: str, values: Mapping[str, Matrix], shrinkages: Mapping[str, Shrinkage]
) -> ScaledFeature | DroppedFeature:
    if np.isnan(values[name]).all():
        return _dropped_without_values(name)
    transform = _LOG_FORM.get(name, "identity")
    if name == "total_reviews":
        unfitted = _unfitted(name, transform, impute=_mean(values[name]), shrinkage=None)
    else:
        shrunk = "avg_rating" if name == "engagement_score" else name
        if shrunk not in shrinkages:
            raise ModelError(f"user_features: no shrinkage of {shrunk} is given; compute it over all users.")
        unfitted = _unfitted(name, transform, impute=None, shrinkage=shrinkages[shrunk])
    return _fitted(unfitted, values, with_bounds=name in _WINSORISED_IN_LOG_FORM)


def _dropped_without_values(name: str) -> DroppedFeature:
    return DroppedFeature(name, "no user has a value")


def _unfitted(name: str, transform: Transform, *, impute: float | None, shrinkage: Shrinkage | None) -> ScaledFeature:
    return ScaledFeature(name, transform, impute, shrinkage, low=None, high=None, mean=0.0, scale=1.0)


def _fitted(
    feature: ScaledFeature, values: Mapping[str, Matrix], *, with_bounds: bool
) -> ScaledFeature | DroppedFeature:
    axis = _axis(feature, values)
    if with_bounds:
        low, high = (float(bound) for bound in np.percentile(axis, WINSORISED_PERCENTILES))
        feature = replace(feature, low=low, high=high)
    axis = _bounded(axis, feature)
    mean, variance = _mean_and_variance(axis)
    known = values[feature.name][~np.isnan(values[feature.name])]
    # Shrinkage separates equal means of different numbers of reviews by rounding errors.
    smallest_variance = variance if feature.name == "engagement_score" else min(variance, _mean_and_variance(known)[1])
    if not math.isfinite(variance):
        return DroppedFeature(feature.name, "its variance is beyond float64")
    if smallest_variance < MIN_VARIANCE:
        reason = f"users do not differ: its variance, {smallest_variance:.2g}, is below {MIN_VARIANCE:g}"
        return DroppedFeature(feature.name, reason)
    return replace(feature, mean=mean, scale=math.sqrt(variance))


def _axis(feature: ScaledFeature, values: Mapping[str, Matrix]) -> Matrix:
    """The feature's values, transformed and shrunk, without nulls."""
    transformed = _TRANSFORMS[feature.transform]
    if feature.shrinkage is None:
        impute = np.nan if feature.impute is None else feature.impute
        return transformed(np.where(np.isnan(values[feature.name]), impute, values[feature.name]))
    if feature.name == "engagement_score":
        rating = _shrunk(values["avg_rating"], values["rated_reviews"], feature.shrinkage)
        return transformed(values["total_reviews"] * rating)
    reviews = values[REVIEW_COUNTS[feature.name]]
    means = values["typical_price" if feature.name == "avg_spend" else feature.name]
    return _shrunk(transformed(means), reviews, feature.shrinkage)


def _shrunk(means: Matrix, reviews: Matrix, shrinkage: Shrinkage) -> Matrix:
    known = ~np.isnan(means)
    means, reviews = np.where(known, means, shrinkage.mean), np.where(known, reviews, 0.0)
    return np.asarray((shrinkage.reviews * shrinkage.mean + reviews * means) / (shrinkage.reviews + reviews))


def _bounded(values: Matrix, feature: ScaledFeature) -> Matrix:
    if feature.low is not None:
        values = np.maximum(values, feature.low)
    if feature.high is not None:
        values = np.minimum(values, feature.high)
    return values


def _nearly_constant(features: Iterable[ScaledFeature], values: Mapping[str, Matrix]) -> Iterator[FeatureWarning]:
    for feature in features:
        known = values[feature.name][~np.isnan(values[feature.name])]
        distinct, counts = np.unique(known, return_counts=True)
        if len(distinct) < 2:
            continue
        second, most = np.sort(counts)[-2:]
        if most > MOST_COMMON_OVER_SECOND * second and len(distinct) < MIN_DISTINCT_SHARE * len(known):
            common = distinct[counts.argmax()]
            reason = f"nearly constant: {most / len(known):.1%} of users have {common:g}, {most / second:.0f} times the"
            yield FeatureWarning(feature.name, f"{reason} next most common value, and {len(distinct)} values occur")


def _mean_and_variance(values: Matrix) -> tuple[float, float]:
    mean = _mean(values)
    with np.errstate(over="ignore", invalid="ignore"):
        return mean, _mean((values - mean) ** 2)


def _mean(values: Matrix) -> float:
    # fsum is exact, so the mean does not depend on the order of users; 200,000 take 10 ms.
    try:
        return math.fsum(values.tolist()) / len(values)
    except OverflowError:
        return math.inf


def feature_values(users: Users) -> dict[str, Matrix]:
    """The five features, the counts of reviews behind the means and typical prices; NaN where unknown.

    A missing or null count is total_reviews. The typical price is that of `users` if given, else computed from
    log_paid_sum, else avg_spend (as for one review). It is never above avg_spend, which rounding of log_paid_sum would
    allow. Raises ModelError as feature_scaling.
    """
    missing = [name for name in FEATURES if name not in users]
    if missing:
        raise ModelError(f"user_features: no column {', '.join(missing)}; give all of {', '.join(FEATURES)}.")
    values = {column.name: _numbers(users, column) for column in FEATURE_COLUMNS}
    for column in COUNT_COLUMNS:
        total = values["total_reviews"]
        given = _numbers(users, column) if column.name in users else total
        values[column.name] = np.where(np.isnan(given), total, given)
    values[TYPICAL_PRICE.name] = _typical_prices(users, values)
    return values


def _typical_prices(users: Users, values: Mapping[str, Matrix]) -> Matrix:
    spend = values["avg_spend"]
    prices = _numbers(users, TYPICAL_PRICE) if TYPICAL_PRICE.name in users else np.full(len(spend), np.nan)
    if _LOG_PAID_SUM.name in users:
        reviews = values["priced_reviews"]
        with np.errstate(all="ignore"):
            computed = np.expm1(_numbers(users, _LOG_PAID_SUM) / 1000 / reviews)
        is_computed = np.isnan(prices) & (reviews > 1) & ~np.isnan(spend)
        prices = np.where(is_computed, computed, prices)
    return np.asarray(np.fmin(spend, prices))


def _numbers(users: Users, column: Column) -> Matrix:
    values = users[column.name]
    try:
        given = values if isinstance(values, np.ndarray) else values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise ModelError(f"user_features: column {column.name} holds values that are not numbers.") from None
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    wrong = int(np.count_nonzero(np.isinf(given) | (given < low) | (given > high)))
    if wrong:
        raise ModelError(
            f"user_features: {column.name} of {wrong} of {len(given)} users is infinite or not within {low:g} to "
            f"{high:g} {column.unit}; fix the step that computed it, or set unknown values to null."
        )
    return np.asarray(given)
