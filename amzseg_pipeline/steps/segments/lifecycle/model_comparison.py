"""Champion and challenger on the same users: how tight, how well apart, how alike, how far segments move."""

import math

import numpy as np

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import ModelComparison
from amzseg_pipeline.steps.segments.clusters.distances import Indices
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.features.scaling import Matrix
from amzseg_pipeline.steps.segments.lifecycle.lineage import LineageMatch


def model_comparison(
    points: Matrix, was: Indices, found: Clusters, lineage_match: LineageMatch, champion: Model, *, few: Indices
) -> ModelComparison:
    """The two models on `points`, tonight's training sample in the challenger's scaled units.

    `was` holds the places of the champion's segments that it puts the same users in tonight, so that nothing but the
    model differs; `few` are the rows that silhouettes are measured on.
    """
    k = len(champion.segments)
    means = segment_means(points, was, k)
    ids = np.array([segment.segment_id for segment in champion.segments], dtype=object)
    moved = ids[was] != np.array(lineage_match.segment_ids, dtype=object)[found.labels]
    shifts = [
        float(np.sqrt(((means[i] - found.centroids[j]) ** 2).sum()))
        for j, i in enumerate(lineage_match.ancestors)
        if i is not None and np.isfinite(means[i]).all()
    ]
    before, after = silhouettes(points[few], [was[few], found.labels[few]])
    return ModelComparison(
        champion_inertia=own_inertia(points, was, k),
        challenger_inertia=found.inertia,
        champion_silhouette=before,
        challenger_silhouette=after,
        adjusted_rand=adjusted_rand(was, found.labels),
        moved_share=float(np.mean(moved)),
        centroid_shift=max(shifts, default=None),
        survivors=sum(ancestor is not None for ancestor in lineage_match.ancestors),
        champion_k=k,
        challenger_k=len(found.sizes),
    )


def segment_means(points: Matrix, labels: Indices, k: int) -> Matrix:
    """The mean of the points of every label from 0 to `k` - 1; NaN where a label has none."""
    means = np.full((k, points.shape[1]), np.nan)
    for label in range(k):
        members = points[labels == label]
        if len(members):
            means[label] = [_sum(column) / len(members) for column in members.T]
    return means


def own_inertia(points: Matrix, labels: Indices, k: int) -> float:
    """The sum of squared distances of points to the means of their own labels, from 0 to `k` - 1."""
    return _sum(((points - segment_means(points, labels, k)[labels]) ** 2).sum(axis=1))


def adjusted_rand(first: Indices, second: Indices) -> float:
    """The adjusted Rand index of two labellings (Hubert and Arabie 1985): 1 the same, 0 as by chance."""
    table = np.zeros((int(first.max()) + 1, int(second.max()) + 1), np.int64)
    np.add.at(table, (first, second), 1)
    both, rows, columns, all_pairs = (_pairs(c) for c in (table, table.sum(1), table.sum(0), table.sum()))
    by_chance = rows * columns / all_pairs if all_pairs else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == by_chance else (both - by_chance) / (most - by_chance)


def _pairs(counts: Indices) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _sum(values: Matrix) -> float:
    # fsum is exact, so the sum does not depend on the order of users.
    return math.fsum(values.tolist())
