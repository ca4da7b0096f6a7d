"""How well clusters come out again from other users: prediction strength on halves, Jaccard index on bootstraps."""

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]

_STARTS = 3
"""Starts of KMeans for each of the many fits here; with 1 the stability of the fit is measured, not of the clusters."""

_SAME_POINT_DECIMALS = 6


def distinct_point_labels(points: Matrix) -> Indices:
    """The place of every point: points nearer than 10^-6 are in one, because KMeans cannot tell them apart either."""
    if not points.shape[1]:
        return np.zeros(len(points), np.int64)
    return np.asarray(np.unique(points.round(_SAME_POINT_DECIMALS), axis=0, return_inverse=True)[1].reshape(-1))


def prediction_strength(points: Matrix, weights: Matrix, k: int, *, splits: int, seed: int) -> float:
    """How well clusters of one half of the users foretell who is together in the other: 1 always, 0 never.

    Tibshirani and Walther 2005: of the pairs of one cluster of the second half, the share that the nearest centroids of
    the first half put together; the least over clusters, the mean over `splits` random halves. A cluster of one user,
    and a half in fewer than `k` places, foretell nothing: 0.
    """
    where = distinct_point_labels(points)
    half = len(points) // 2
    strengths = []
    for split in range(splits):
        order = np.random.default_rng((seed, split)).permutation(len(points))
        first, second = np.sort(order[:half]), np.sort(order[half : 2 * half])
        if min(len(np.unique(where[first])), len(np.unique(where[second]))) < k:
            strengths.append(0.0)
            continue
        centroids, _ = _fitted(points[first], weights[first], where[first], k, seed=seed + split)
        _, labels = _fitted(points[second], weights[second], where[second], k, seed=seed + split)
        foretold = squared_distances(points[second], centroids).argmin(axis=1)
        together = _pairs(labels, foretold, weights[second], k).sum(axis=1)
        pairs = _pairs(labels, np.zeros_like(labels), weights[second], k)[:, 0]
        strengths.append(float(np.min(np.where(pairs > 0, together / np.where(pairs > 0, pairs, 1.0), 0.0))))
    return float(np.mean(strengths))


def jaccard(points: Matrix, weights: Matrix, labels: Indices, k: int, *, bootstraps: int, seed: int) -> float:
    """How much of the least stable of the clusters `labels` is found again in bootstrap samples: 1 all of it.

    Hennig 2007: for each cluster the Jaccard index, among the users drawn, with the most similar cluster of the sample;
    the mean over `bootstraps` samples, the least over clusters. A sample in fewer than `k` places finds nothing: 0.
    """
    where = distinct_point_labels(points)
    found = np.zeros((bootstraps, k))
    for bootstrap in range(bootstraps):
        rng = np.random.default_rng((seed, bootstrap))
        times = np.bincount(rng.integers(0, len(points), len(points)), minlength=len(points))
        drawn = np.flatnonzero(times)
        if len(np.unique(where[drawn])) < k:
            continue
        _, again = _fitted(points[drawn], weights[drawn] * times[drawn], where[drawn], k, seed=seed + bootstrap)
        both = _table(labels[drawn], again, weights[drawn], k)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        found[bootstrap] = (both / np.where(either > 0, either, 1.0)).max(axis=1)
    return float(found.mean(axis=0).min())


def _fitted(points: Matrix, weights: Matrix, where: Indices, k: int, *, seed: int) -> tuple[Matrix, Indices]:
    """Centroids, and the cluster of every point. Points in one place are fitted as one, with the sum of their weights:
    the same optimum for less, because users of one or two reviews are often in one place."""
    from sklearn.cluster import KMeans

    _, first, place = np.unique(where, return_index=True, return_inverse=True)
    order = np.argsort(first)
    fitted = KMeans(k, n_init=_STARTS, random_state=seed % 2**32).fit(
        points[first[order]], sample_weight=np.bincount(place, weights)[order]
    )
    return fitted.cluster_centers_, fitted.labels_[np.argsort(order)[place]]


def _table(rows: Indices, columns: Indices, weights: Matrix, k: int) -> Matrix:
    return np.bincount(rows * k + columns, weights=weights, minlength=k * k).astype(np.float64).reshape(k, k)


def _pairs(rows: Indices, columns: Indices, weights: Matrix, k: int) -> Matrix:
    """The weight of pairs of different users in each cell, twice."""
    return np.asarray(_table(rows, columns, weights, k) ** 2 - _table(rows, columns, weights**2, k))
