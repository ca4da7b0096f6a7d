"""Separation of clusters: how much less dense users are between two clusters than within them."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.steps.segments.clusters.distances import Indices
from amzseg_pipeline.steps.segments.features.scaling import Matrix

_MAX_DISCRETE_SHARE = 0.2
_MIN_USERS = 5
_GRID = 61
_RIDGE = 1e-3
_BANDWIDTH = 1.2
"""Wider than Silverman's 0.9, because KMeans cuts off the tails of its clusters."""


def separations(points: Matrix, weights: Matrix, labellings: Sequence[Indices]) -> list[float | None]:
    """The separation of the two least separated clusters of each labelling; None with fewer than two clusters.

    The users of two clusters are projected on the direction that separates them best (Fisher 1936). On it, between the
    means of the clusters, the separation is 1 minus the lowest density over the lower of the highest densities on both
    sides of it: 0 without a valley, as between slices of one cloud of any shape, 1 if nobody is in between. Densities
    are sums of normal kernels, with a bandwidth for each cluster (Silverman 1986). Two equal normal types 3 standard
    deviations apart have about 0.3, 4 apart 0.7. Clusters of fewer than five users have 0.

    Args:
        points: Users x features, scaled; counts and ratings smoothed (smoothed_points).
        weights: Weight of each user.
        labellings: Clusters of the users, from 0.
    """
    return [_least_separation(points, weights, labels) for labels in labellings]


def smoothed_points(points: Matrix, scaling: FeatureScaling, *, seed: int) -> Matrix:
    """`points` with counts and ratings spread over their steps, so that a step is not taken for a valley.

    A number of reviews is spread by half a review to both sides; other discrete features by half of their smallest
    step among users with as many reviews, because shrinkage depends on that number. engagement_score is left out: it
    follows from total_reviews and avg_rating.
    """
    rng = np.random.default_rng((seed, 2))
    column = {feature.name: i for i, feature in enumerate(scaling.features)}
    smoothed, counts = points.copy(), np.ones(len(points))
    if "total_reviews" in column:
        feature, i = scaling.features[column["total_reviews"]], column["total_reviews"]
        is_log = feature.transform == "log2"
        counts = points[:, i] / feature.weight * feature.scale + feature.mean
        counts = 2.0**counts if is_log else counts
        if not np.allclose(counts, counts.round(), atol=0.01):
            return smoothed
        counts = counts.round()
        spread = counts + rng.uniform(-0.5, 0.5, len(points))
        smoothed[:, i] = ((np.log2(spread) if is_log else spread) - feature.mean) / feature.scale * feature.weight
    for i in (i for name, i in column.items() if name != "total_reviews"):
        for same_count in (np.flatnonzero(counts == each) for each in np.unique(counts)):
            values = np.unique(points[same_count, i].round(6))
            if 1 < len(values) < _MAX_DISCRETE_SHARE * len(same_count):
                smoothed[same_count, i] += rng.uniform(-0.5, 0.5, len(same_count)) * np.diff(values).min()
    return np.delete(smoothed, column["engagement_score"], axis=1) if "engagement_score" in column else smoothed


def _least_separation(points: Matrix, weights: Matrix, labels: Indices) -> float | None:
    k = int(labels.max(initial=0)) + 1
    if k < 2 or not points.shape[1]:
        return None
    members = [np.flatnonzero(labels == i) for i in range(k)]
    if min(map(len, members)) < _MIN_USERS:
        return 0.0
    means = np.array([np.average(points[rows], axis=0, weights=weights[rows]) for rows in members])
    pairs = combinations(range(k), 2)
    return min(_separation(points, weights, (members[i], members[j]), means[j] - means[i]) for i, j in pairs)


def _separation(points: Matrix, weights: Matrix, members: tuple[Indices, Indices], gap: Matrix) -> float:
    within = np.zeros((len(gap), len(gap)))
    for rows in members:
        within += np.cov(points[rows].T, aweights=weights[rows], ddof=0) * weights[rows].sum()
    within /= sum(weights[rows].sum() for rows in members)
    ridge = _RIDGE * np.trace(within) / len(within)
    if ridge <= 0:
        return 1.0 if gap.any() else 0.0
    direction = np.linalg.solve(within + ridge * np.eye(len(within)), gap)
    one, other = ((points[rows] @ direction, weights[rows]) for rows in members)
    grid = np.linspace(float(np.average(one[0], weights=one[1])), float(np.average(other[0], weights=other[1])), _GRID)
    density = _density(grid, *one) + _density(grid, *other)
    one_side, other_side = np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1]
    return float(np.max(1 - density / np.minimum(one_side, other_side)))


def _density(grid: Matrix, values: Matrix, weights: Matrix) -> Matrix:
    users = weights.sum() ** 2 / (weights**2).sum()
    spread = float(np.sqrt(np.cov(values, aweights=weights, ddof=0)))
    bandwidth = max(_BANDWIDTH * spread * users**-0.2, 1e-9)
    kernels = np.exp(-0.5 * ((grid[:, None] - values) / bandwidth) ** 2)
    return np.asarray(kernels @ weights / bandwidth)
