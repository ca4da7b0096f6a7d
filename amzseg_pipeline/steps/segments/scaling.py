"""How the features of users become the axes of clusters: fitted once on a sample, applied the same way ever after."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import DroppedFeature, FeatureScaling, ScaledFeature, Transform
from amzseg_pipeline.contracts.segments import SCALED_FEATURES
from amzseg_pipeline.contracts.users import FEATURE_COLUMNS, FEATURES
from amzseg_pipeline.steps.segments.frames import contract_frame
from amzseg_pipeline.steps.segments.sample import strata

Matrix = npt.NDArray[np.float64]

LEAST_VARIANCE = 1e-12
WINSORISED_PERCENTILES = (0.5, 99.5)

_FORWARD: dict[Transform, Callable[[Matrix], Matrix]] = {
    "identity": lambda values: values,
    "log1p": np.log1p,
    "log2": np.log2,
}
_BACKWARD: dict[Transform, Callable[[Matrix], Matrix]] = {
    "identity": lambda values: values,
    "log1p": np.expm1,
    "log2": np.exp2,
}
_LOG_FORM: dict[str, Transform] = {"total_reviews": "log2", "avg_spend": "log1p", "engagement_score": "log1p"}
_WINSORISED_IN_LOG_FORM = ("avg_spend", "engagement_score")


def feature_scaling(sample: pd.DataFrame, *, transform: str) -> FeatureScaling:
    """What `scaled_matrix` needs, fitted on the users of `sample` (the five features; their order does not matter).

    `transform` is "none" or "log": log2 of total_reviews, log1p of avg_spend and engagement_score, these two winsorised
    at the sample's 0.5 and 99.5 percentiles. A null takes the feature's mean. Mean and scale are StandardScaler's: the
    scale is the population's standard deviation. A feature without a value, of variance below 1e-12 or beyond what
    float64 holds is dropped, with the reason. Raises ModelError when there are no users or a value is out of its
    contract's range.
    """
    if transform not in ("none", "log"):
        raise ModelError(f"settings: transform is {transform!r}; give none or log.")
    if sample.empty:
        raise ModelError("user_features: there are no users to fit a model on; put an export into the landing zone.")
    fitted = [_fitted(name, values, log=transform == "log") for name, values in _feature_values(sample).items()]
    return FeatureScaling(
        transform="log" if transform == "log" else "none",
        features=tuple(feature for feature in fitted if isinstance(feature, ScaledFeature)),
        dropped=tuple(feature for feature in fitted if isinstance(feature, DroppedFeature)),
        users=len(sample),
    )


def scaled_features(sample: pd.DataFrame, scaling: FeatureScaling) -> pd.DataFrame:
    """The rows of `sample` as contracts.SCALED_FEATURES; dropped features are null."""
    matrix = scaled_matrix(sample, scaling)
    by_name: dict[str, object] = {feature.name: matrix[:, i] for i, feature in enumerate(scaling.features)}
    missing = {dropped.name: np.full(len(sample), np.nan) for dropped in scaling.dropped}
    keys = {"user_id": sample["user_id"], "user_hash": sample["user_hash"], "stratum": strata(sample["total_reviews"])}
    return contract_frame(SCALED_FEATURES, {**keys, **by_name, **missing})


def scaled_matrix(users: pd.DataFrame, scaling: FeatureScaling) -> Matrix:
    """The kept features of `users`, scaled: users x features, in the order of the scaling.

    Every number depends on its own user alone, so batches may be split anywhere. Raises ModelError as feature_scaling.
    """
    values = _feature_values(users)
    matrix = np.empty((len(users), len(scaling.features)), order="F")
    for i, feature in enumerate(scaling.features):
        filled = np.where(np.isnan(values[feature.name]), feature.impute, values[feature.name])
        matrix[:, i] = (_bounded(_FORWARD[feature.transform](filled), feature) - feature.mean) / feature.scale
    return matrix


def unscaled_matrix(matrix: Matrix, scaling: FeatureScaling) -> Matrix:
    """A scaled matrix back in the features' own units; what winsorising cut off stays cut off."""
    unscaled = np.empty_like(matrix)
    for i, feature in enumerate(scaling.features):
        unscaled[:, i] = _BACKWARD[feature.transform](matrix[:, i] * feature.scale + feature.mean)
    return unscaled


def _fitted(name: str, values: Matrix, *, log: bool) -> ScaledFeature | DroppedFeature:
    known = values[~np.isnan(values)]
    if not known.size:
        return DroppedFeature(name, "no user has a value")
    impute = _mean(known)
    form = _LOG_FORM.get(name, "identity") if log else "identity"
    scaled = _FORWARD[form](np.where(np.isnan(values), impute, values))
    low = high = None
    if log and name in _WINSORISED_IN_LOG_FORM:
        low, high = (float(bound) for bound in np.percentile(scaled, WINSORISED_PERCENTILES))
        scaled = np.clip(scaled, low, high)
    mean = _mean(scaled)
    with np.errstate(over="ignore", invalid="ignore"):
        variance = _mean((scaled - mean) ** 2)
    if not math.isfinite(variance):
        return DroppedFeature(name, "its variance is beyond what a float64 holds")
    if variance < LEAST_VARIANCE:
        return DroppedFeature(name, f"users do not differ: its variance, {variance:.2g}, is below {LEAST_VARIANCE:g}")
    return ScaledFeature(name, form, impute, low, high, mean, math.sqrt(variance))


def _bounded(values: Matrix, feature: ScaledFeature) -> Matrix:
    if feature.low is not None:
        values = np.maximum(values, feature.low)
    if feature.high is not None:
        values = np.minimum(values, feature.high)
    return values


def _mean(values: Matrix) -> float:
    # fsum is exact, so the mean does not depend on the order of users; 200,000 take 10 ms.
    try:
        return math.fsum(values.tolist()) / len(values)
    except OverflowError:
        return math.inf


def _feature_values(users: pd.DataFrame) -> dict[str, Matrix]:
    missing = [name for name in FEATURES if name not in users.columns]
    if missing:
        raise ModelError(f"user_features: no column {', '.join(missing)}; give all of {', '.join(FEATURES)}.")
    values = {}
    for column in FEATURE_COLUMNS:
        try:
            given = users[column.name].to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            raise ModelError(f"user_features: column {column.name} holds what is no number; give numbers.") from None
        low = -math.inf if column.minimum is None else column.minimum
        high = math.inf if column.maximum is None else column.maximum
        wrong = int(np.count_nonzero(np.isinf(given) | (given < low) | (given > high)))
        if wrong:
            raise ModelError(
                f"user_features: {column.name} of {wrong} of {len(users)} users is infinite or not within {low:g} to "
                f"{high:g} {column.unit}; mend the step that made it, or give null where it is unknown."
            )
        values[column.name] = given
    return values
