"""Silhouettes under the null hypothesis of a single population of users."""

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
    distribution of the same covariance (Liu et al. 2008, SigClust, for two clusters), and the users themselves with
    independent features within strata of total_reviews. The latter keeps the discrete shape of counts and ratings, so
    that the step from one review to several is not taken for structure.

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
    stratified = _stratified(points, weights, names, users=users, seed=seed)
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


def _stratified(points: Matrix, weights: Matrix, names: Sequence[str], *, users: int, seed: int) -> Matrix:
    """Users drawn by weight whose features are independent of each other within strata of total_reviews.

    A discrete feature is permuted, a continuous one is drawn from the normal distribution of the stratum.
    engagement_score follows from total_reviews and avg_rating, and is permuted together with avg_rating.
    """
    rng = np.random.default_rng((seed, 1))
    is_everyone = users == len(points) and bool((weights == weights[0]).all())
    rows = np.arange(users) if is_everyone else np.sort(rng.choice(len(points), users, p=weights / weights.sum()))
    drawn = points[rows].copy()
    columns = {name: i for i, name in enumerate(names)}
    strata = [np.arange(users)]
    if "total_reviews" in columns and _is_discrete(drawn[:, columns["total_reviews"]]):
        strata = _strata(drawn[:, columns["total_reviews"]])
    rated = [columns[name] for name in _RATED if name in columns]
    others = [[i] for name, i in columns.items() if name not in ("total_reviews", *_RATED)]
    for group in [rated, *others]:
        is_discrete = group == rated or _is_discrete(drawn[:, group])
        for stratum in strata:
            cells = stratum[:, None], np.array(group, np.int64)
            if is_discrete:
                drawn[cells] = drawn[rng.permutation(stratum)[:, None], cells[1]]
            else:
                noise = rng.normal(size=(len(stratum), len(group)))
                drawn[cells] = drawn[cells].mean(axis=0) + noise * drawn[cells].std(axis=0)
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
