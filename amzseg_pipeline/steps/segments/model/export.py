"""Export of a model as a scikit-learn Pipeline, for notebooks without this package."""

from typing import Any

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import Model, ScaledFeature, Shrinkage
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS, TYPICAL_PRICE
from amzseg_pipeline.steps.segments.features.scaling import REVIEW_COUNTS

_FUNCTIONS = {"log1p": np.log1p, "log2": np.log2}


def exported_pipeline(model: Model) -> Any:
    """A fitted scikit-learn Pipeline whose `predict` returns each user's index into `model.segments`.

    Input is a DataFrame with the five features (NaN if unknown) and, for transform "log", the counts of reviews behind
    the means (NaN: total_reviews) and typical_price (NaN: avg_spend). Other columns are
    ignored, so a published table works. The Pipeline uses only scikit-learn, NumPy and pandas functions, and does not
    check ranges.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import Pipeline, make_pipeline

    features = model.scaling.features
    counts = [column.name for column in SCORING_COLUMNS] if model.scaling.transform == "log" else []
    columns = [*FEATURES, *counts]
    any_users = pd.DataFrame(np.ones((2, len(columns))), columns=columns)
    if not features:
        return make_pipeline(DummyClassifier(strategy="constant", constant=0).fit(any_users, [0, 0]))
    axes = ColumnTransformer([(feature.name, _axis(feature), _columns(feature)) for feature in features])
    axes.fit(any_users)
    return Pipeline([("features", axes), ("scaling", _scaler(model)), ("segments", _nearest_centroid(model))])


def _columns(feature: ScaledFeature) -> list[str]:
    if feature.shrinkage is None:
        return [feature.name]
    mean = "avg_rating" if feature.name == "engagement_score" else feature.name
    return [mean, REVIEW_COUNTS[mean], "total_reviews", *([TYPICAL_PRICE.name] if mean == "avg_spend" else [])]


def _axis(feature: ScaledFeature) -> Any:
    """From the feature's columns to its coordinate before standardisation."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    numbers = _function(pd.DataFrame.to_numpy, dtype=np.float64, na_value=np.nan)
    transformed = [_function(_FUNCTIONS[feature.transform])] if feature.transform in _FUNCTIONS else []
    bounded = [_function(np.clip, a_min=feature.low, a_max=feature.high)] if feature.low is not None else []
    if feature.shrinkage is None:
        imputed = SimpleImputer(strategy="constant", fill_value=feature.impute)
        return make_pipeline(numbers, imputed, *transformed, *bounded)
    if feature.name == "engagement_score":
        parts = ColumnTransformer([("rating", _shrunk(feature.shrinkage, []), [0, 1, 2]), ("n", "passthrough", [2])])
        return make_pipeline(numbers, parts, _along_rows(np.multiply), *transformed, *bounded)
    if feature.name == "avg_spend":
        # The typical price is at most avg_spend, and fmin ignores NaN.
        price = ("price", _along_rows(np.fmin), [0, 3])
        numbers = make_pipeline(numbers, ColumnTransformer([price, ("counts", "passthrough", [1, 2])]))
    return make_pipeline(numbers, _shrunk(feature.shrinkage, transformed), *bounded)


def _shrunk(shrinkage: Shrinkage, transformed: list[Any]) -> Any:
    """From the columns mean, number of reviews and total_reviews to the shrunk mean."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    prior, weight = shrinkage.mean, shrinkage.reviews
    # An unknown mean is imputed with the prior mean, which shrinkage does not change.
    mean = make_pipeline(*transformed, SimpleImputer(strategy="constant", fill_value=prior))
    # fmin ignores NaN, and no count exceeds total_reviews.
    parts = ColumnTransformer([("mean", mean, [0]), ("n", _along_rows(np.fmin), [1, 2])])
    # From 1, mean, n and mean x n to numerator and denominator.
    sides = _function(np.tensordot, b=[[weight * prior, weight], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]], axes=1)
    return make_pipeline(parts, PolynomialFeatures(interaction_only=True), sides, _along_rows(np.divide))


def _function(function: Any, **arguments: Any) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(function, kw_args=arguments)


def _along_rows(function: np.ufunc) -> Any:
    return _function(function.reduce, axis=1, keepdims=True)


def _scaler(model: Model) -> Any:
    from sklearn.preprocessing import StandardScaler

    features = model.scaling.features
    scaler = StandardScaler().fit(np.zeros((2, len(features))))
    scaler.mean_ = np.array([feature.mean for feature in features])
    scaler.scale_ = np.array([feature.scale / feature.weight for feature in features])
    scaler.var_ = scaler.scale_**2
    scaler.n_samples_seen_ = model.scaling.users
    return scaler


def _nearest_centroid(model: Model) -> Any:
    from sklearn.cluster import KMeans

    centroids = np.array([segment.centroid for segment in model.segments])
    kmeans = KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(centroids)
    kmeans.cluster_centers_ = centroids
    return kmeans
