"""A model from a training sample: the number of segments, the segments and their names."""

import importlib.metadata

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.choosing_k import k_choice, scaled_points
from amzseg_pipeline.steps.segments.clustering import Clusters, clusters
from amzseg_pipeline.steps.segments.documents import model_version
from amzseg_pipeline.steps.segments.names import named_segments
from amzseg_pipeline.steps.segments.scaling import Matrix, feature_scaling, scaled_features, unscaled_matrix

_LIBRARIES = ("numpy", "scikit-learn")


def fitted_model(sample: pd.DataFrame, settings: Settings, *, trained_at: str, jobs: int) -> Model:
    """The model of a training sample (contracts.USER_FEATURES): scaling and clusters in one."""
    scaling = feature_scaling(sample, transform=settings.transform)
    return cluster_model(scaled_features(sample, scaling), scaling, settings, trained_at=trained_at, jobs=jobs)


def cluster_model(
    scaled: pd.DataFrame, scaling: FeatureScaling, settings: Settings, *, trained_at: str, jobs: int
) -> Model:
    """The model of a scaled training sample (contracts.SCALED_FEATURES), whatever the order of its rows.

    Segments are numbered S0001 onward: most training users first, then by centroid. Raises ModelError as k_choice.
    """
    scaled = scaled.sort_values("user_id")
    choice = k_choice(scaled, scaling, settings, jobs=jobs)
    points = scaled_points(scaled, scaling)
    found = clusters(points, choice.k, seed=settings.seed, n_init=settings.n_init)
    named = named_segments(_positions(points, found, scaling), scaling)
    segments = tuple(
        Segment(
            segment_id=f"S{i + 1:04d}",
            name=named[i].persona.name,
            strategy=named[i].persona.strategy,
            name_fit=named[i].name_fit,
            centroid=tuple(found.centroids[i].tolist()),
            training_users=found.sizes[i],
            outlier_distance=found.outlier_distances[i],
        )
        for i in range(choice.k)
    )
    return Model(
        version=model_version(scaling, segments),
        seed=settings.seed,
        scaling=scaling,
        segments=segments,
        choice=choice,
        inertia=found.inertia,
        trained_at=trained_at,
        libraries={name: importlib.metadata.version(name) for name in _LIBRARIES},
    )


def _positions(points: Matrix, found: Clusters, scaling: FeatureScaling) -> Matrix:
    """Segments x kept features: the mean of the segment's users in the features' own units, in population sd.

    Without a transform these are the centroids; logarithms are undone first, for names speak of plain means.
    """
    values = unscaled_matrix(points, scaling)
    means = np.stack([values[found.labels == i].mean(axis=0) for i in range(len(found.sizes))])
    return np.asarray((means - values.mean(axis=0)) / values.std(axis=0))
