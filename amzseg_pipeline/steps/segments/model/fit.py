"""Fit of a model on a training sample: number of segments, clusters and names."""

import importlib.metadata

import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.features.scaling import feature_scaling, scaled_features
from amzseg_pipeline.steps.segments.features.shrinkage import shrinkages
from amzseg_pipeline.steps.segments.model.choosing_k import k_choice
from amzseg_pipeline.steps.segments.model.naming import named_segments
from amzseg_pipeline.steps.segments.model.serialization import model_version

_LIBRARIES = ("numpy", "scikit-learn")


def fitted_model(sample: pd.DataFrame, settings: Settings, *, trained_at: str, jobs: int) -> Model:
    """The model of `sample` (contracts.USER_FEATURES): shrinkage, scaling and clusters in one call."""
    shrunk = shrinkages(nw.from_native(sample).lazy()) if settings.transform == "log" else None
    scaling = feature_scaling(sample, transform=settings.transform, shrinkages=shrunk)
    return cluster_model(scaled_features(sample, scaling), scaling, settings, trained_at=trained_at, jobs=jobs)


def cluster_model(
    scaled: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    trained_at: str,
    jobs: int,
    champion_k: int | None = None,
    identical_together: bool = False,
) -> Model:
    """The model of a scaled training sample; its row order does not matter.

    Segments are numbered from S0001: largest first, then by centroid.

    Args:
        scaled: contracts.SCALED_FEATURES.
        scaling: The scaling behind `scaled`.
        settings: Settings of the run.
        trained_at: ISO time recorded in the model.
        jobs: Threads for the evidence of k.
        champion_k: Current number of segments, kept if the evidence supports no number.
        identical_together: Whether identical users are one observation.

    Raises:
        ModelError: As k_choice.
    """
    scaled = scaled.sort_values("user_id")
    choice = k_choice(
        scaled, scaling, settings, jobs=jobs, champion_k=champion_k, identical_together=identical_together
    )
    points = scaled_points(scaled, scaling)
    found = clusters(points, choice.k, seed=settings.seed, n_init=settings.n_init)
    named = named_segments(found.centroids, scaling)
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
