"""Comparison of champion and challenger on the same users."""

import math
from collections.abc import Mapping

import numpy as np

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import ModelComparison
from amzseg_pipeline.steps.segments.clusters.distances import Indices
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.features.scaling import Matrix
from amzseg_pipeline.steps.segments.lifecycle.lineage import LineageMatch


def model_comparison(
    points: Matrix,
    champion_labels: Indices,
    means: Matrix,
    *,
    challenger: Clusters,
    match: LineageMatch,
    champion: Model,
    silhouette_rows: Indices,
    null_silhouettes: Mapping[int, float | None],
) -> ModelComparison:
    """Compares the two models on the training sample.

    Args:
        points: The sample in the challenger's scaled units.
        champion_labels: Index of the champion's segment that it assigns each user to now, so that only the models
            differ.
        means: The segment_means of `points` by `champion_labels`.
        challenger: The clusters of the challenger.
        match: The lineage between the two.
        champion: The current model.
        silhouette_rows: Rows of `points` to measure silhouettes on.
        null_silhouettes: Number of clusters -> silhouette of a single population.
    """
    from sklearn.metrics import adjusted_rand_score

    ids = np.array([segment.segment_id for segment in champion.segments], dtype=object)
    moved = ids[champion_labels] != np.array(match.segment_ids, dtype=object)[challenger.labels]
    shifts = [
        float(np.sqrt(((means[i] - challenger.centroids[j]) ** 2).sum()))
        for j, i in enumerate(match.ancestors)
        if i is not None and np.isfinite(means[i]).all()
    ]
    labellings = [champion_labels[silhouette_rows], challenger.labels[silhouette_rows]]
    champion_silhouette, challenger_silhouette = silhouettes(points[silhouette_rows], labellings)
    return ModelComparison(
        champion_inertia=inertia_around(means, points, champion_labels),
        challenger_inertia=challenger.inertia,
        champion_silhouette=champion_silhouette,
        challenger_silhouette=challenger_silhouette,
        adjusted_rand=float(adjusted_rand_score(champion_labels, challenger.labels)),
        moved_share=float(np.mean(moved)),
        centroid_shift=max(shifts, default=None),
        survivors=sum(ancestor is not None for ancestor in match.ancestors),
        champion_k=len(champion.segments),
        challenger_k=len(challenger.sizes),
        champion_gain=_gain(champion_silhouette, null_silhouettes.get(len(champion.segments))),
        challenger_gain=_gain(challenger_silhouette, null_silhouettes.get(len(challenger.sizes))),
    )


def segment_means(points: Matrix, labels: Indices, k: int) -> Matrix:
    """The mean of the points of every label from 0 to `k` - 1; NaN for a label without points."""
    means = np.full((k, points.shape[1]), np.nan)
    for label in range(k):
        members = points[labels == label]
        if len(members):
            means[label] = [_sum(column) / len(members) for column in members.T]
    return means


def inertia_around(means: Matrix, points: Matrix, labels: Indices) -> float:
    """The sum of squared distances of points to the means of their labels."""
    return _sum(((points - means[labels]) ** 2).sum(axis=1))


def _gain(silhouette: float | None, null: float | None) -> float | None:
    return None if silhouette is None or null is None else silhouette - null


def _sum(values: Matrix) -> float:
    # fsum is exact, so the sum does not depend on the order of users.
    return math.fsum(values.tolist())
