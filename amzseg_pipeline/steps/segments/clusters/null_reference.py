"""What users of a single population would show: the mean silhouette for every number of clusters."""

from collections.abc import Iterable, Sequence

import numpy as np

from amzseg_pipeline.steps.segments.clusters.distances import Indices
from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.features.scaling import Matrix

_STARTS = 3
_MAX_USERS = 2_000
_MIN_STRATUM = 20
_MAX_DISCRETE_SHARE = 0.2
_RATED = ("avg_rating", "engagement_score")


def null_silhouettes(
    points: Matrix, weights: Matrix, numbers_of_clusters: Iterable[int], *, names: Sequence[str], seed: int
) -> list[float | None]:
    """The mean silhouette of a single population for each number of clusters; None if not defined.

    Stability measures cannot distinguish real types from slices of one elongated cloud, which are stable as well. Two
    nulls can, each of as many users as `points` but at most 2,000, and the larger silhouette counts: the normal
    distribution of the same covariance (Liu et al. 2008, SigClust, for two clusters), and users of a single type. The
    latter keeps the discrete shape of counts and ratings, so that the step from one review to several is not taken for
    structure.

    Args:
        points: Users x features, scaled.
        weights: Weight of each user.
        numbers_of_clusters: Each k to measure.
        names: Features of `points`.
        seed: Seed of both nulls and of the clusters.
    """
    ks = list(numbers_of_clusters)
    if not ks:
        return []
    users = min(len(points), _MAX_USERS)
    normal = np.random.default_rng(seed).normal(size=(users, points.shape[1])) @ _root(points, weights)
    stratified = _users_of_one_type(points, weights, names=names, seed=seed)
    both = zip(_silhouettes(normal, ks, seed=seed), _silhouettes(stratified, ks, seed=seed), strict=True)
    return [max((each for each in pair if each is not None), default=None) for pair in both]


def _silhouettes(points: Matrix, ks: Sequence[int], *, seed: int) -> list[float | None]:
    distinct = len(np.unique(points.round(6), axis=0))
    labellings = [clusters(points, k, seed=seed, n_init=_STARTS).labels for k in ks if k <= distinct]
    return [*silhouettes(points, labellings), *[None] * (len(ks) - len(labellings))]


def _root(points: Matrix, weights: Matrix) -> Matrix:
    """The symmetric square root of the weighted covariance, which is unique."""
    centred = points - np.average(points, axis=0, weights=weights)
    covariance = (centred * weights[:, None]).T @ centred / weights.sum()
    variances, directions = np.linalg.eigh(covariance)
    return np.asarray((directions * np.sqrt(np.maximum(variances, 0.0))) @ directions.T)


def _users_of_one_type(points: Matrix, weights: Matrix, *, names: Sequence[str], seed: int) -> Matrix:
    """At most 2,000 users drawn by weight, of a single type: features are independent within strata of total_reviews.

    Within a stratum, discrete features are permuted, continuous ones are drawn from the normal distribution of the same
    variance. engagement_score follows from total_reviews and avg_rating, and is permuted together with avg_rating.
    """
    rng = np.random.default_rng((seed, 1))
    users = min(len(points), _MAX_USERS)
    is_everyone = users == len(points) and bool((weights == weights[0]).all())
    rows = np.arange(users) if is_everyone else np.sort(rng.choice(len(points), users, p=weights / weights.sum()))
    drawn = points[rows]
    columns = {name: i for i, name in enumerate(names)}
    discrete = {name for name, i in columns.items() if _is_discrete(drawn[:, i])}
    counts = drawn[:, columns["total_reviews"]] if "total_reviews" in discrete else np.zeros(users)
    rated = [name for name in _RATED if name in columns]
    permuted = [[name] for name in names if name in discrete and name not in ("total_reviews", *_RATED)]
    permuted += [rated] if rated else []
    fixed = {"total_reviews", *(name for group in permuted for name in group)}
    continuous = np.array([i for name, i in columns.items() if name not in fixed], np.int64)
    for stratum in _strata(counts):
        for group in permuted:
            cells = stratum[:, None], np.array([columns[name] for name in group])
            drawn[cells] = drawn[rng.permutation(stratum)[:, None], cells[1]]
        block = drawn[stratum[:, None], continuous]
        drawn[stratum[:, None], continuous] = rng.normal(block.mean(axis=0), block.std(axis=0), block.shape)
    return drawn


def _is_discrete(values: Matrix) -> bool:
    """Whether values repeat so often that they are steps; strata of a continuous feature would keep its structure."""
    return len(np.unique(values.round(6))) < _MAX_DISCRETE_SHARE * len(values)


def _strata(counts: Matrix) -> list[Indices]:
    """Rows of equal counts; those of rare counts together with the next higher ones."""
    order = np.argsort(counts, kind="stable")
    starts = np.flatnonzero(np.diff(counts[order], prepend=-np.inf))
    kept = [0]
    for start in starts[1:]:
        if start - kept[-1] >= _MIN_STRATUM and len(order) - start >= _MIN_STRATUM:
            kept.append(int(start))
    return np.split(order, kept[1:])
