"""A model as a scikit-learn Pipeline, for notebooks that have scikit-learn and not this package."""

from typing import Any

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import Model, ScaledFeature
from amzseg_pipeline.contracts.users import FEATURES

_FUNCTIONS = {"log1p": np.log1p, "log2": np.log2}


def exported_pipeline(model: Model) -> Any:
    """A fitted sklearn Pipeline whose `predict` gives each user's place in `model.segments`, from 0.

    It takes a DataFrame with the five feature columns, NaN where unknown; columns beside them are left alone. Made of
    scikit-learn's own steps and NumPy's functions only. Users out of the contract's range are not refused.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import Pipeline, make_pipeline

    features = model.scaling.features
    any_users = pd.DataFrame(np.ones((2, len(FEATURES))), columns=list(FEATURES))
    if not features:
        return make_pipeline(DummyClassifier(strategy="constant", constant=0).fit(any_users, [0, 0]))
    columns = ColumnTransformer([(feature.name, _transformation(feature), [feature.name]) for feature in features])
    columns.fit(any_users)
    return Pipeline([("features", columns), ("scaling", _scaler(model)), ("segments", _nearest_centroid(model))])


def _transformation(feature: ScaledFeature) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps: list[Any] = [
        FunctionTransformer(np.asarray, kw_args={"dtype": np.float64}),
        SimpleImputer(strategy="constant", fill_value=feature.impute),
    ]
    if feature.transform in _FUNCTIONS:
        steps.append(FunctionTransformer(_FUNCTIONS[feature.transform]))
    if feature.low is not None or feature.high is not None:
        steps.append(FunctionTransformer(np.clip, kw_args={"a_min": feature.low, "a_max": feature.high}))
    return make_pipeline(*steps)


def _scaler(model: Model) -> Any:
    from sklearn.preprocessing import StandardScaler

    features = model.scaling.features
    scaler = StandardScaler().fit(np.zeros((2, len(features))))
    scaler.mean_ = np.array([feature.mean for feature in features])
    scaler.scale_ = np.array([feature.scale for feature in features])
    scaler.var_ = scaler.scale_**2
    scaler.n_samples_seen_ = model.scaling.users
    return scaler


def _nearest_centroid(model: Model) -> Any:
    from sklearn.cluster import KMeans

    centroids = np.array([segment.centroid for segment in model.segments])
    kmeans = KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(centroids)
    kmeans.cluster_centers_ = centroids
    return kmeans
