"""Silhouettes under the null hypothesis of a single population: users drawn from one normal distribution."""

from collections.abc import Iterable

import numpy as np

from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.features.scaling import Matrix

_STARTS = 3
_MAX_USERS = 2_000


def null_silhouettes(
    points: Matrix, weights: Matrix, numbers_of_clusters: Iterable[int], *, seed: int
) -> list[float | None]:
    """The mean silhouette of a single population for each number of clusters; None if not defined.

    Draws as many users as `points`, at most 2,000, from the normal distribution with the same covariance and clusters
    them. Stability measures cannot distinguish real types from slices of one elongated cloud, which are stable as
    well; this can (Liu et al. 2008, SigClust, for two clusters).
    """
    users = min(len(points), _MAX_USERS)
    drawn = np.random.default_rng(seed).normal(size=(users, points.shape[1])) @ _root(points, weights)
    labellings = [clusters(drawn, k, seed=seed, n_init=_STARTS).labels for k in numbers_of_clusters]
    return silhouettes(drawn, labellings)


def _root(points: Matrix, weights: Matrix) -> Matrix:
    """The symmetric square root of the weighted covariance, which is unique."""
    centred = points - np.average(points, axis=0, weights=weights)
    covariance = (centred * weights[:, None]).T @ centred / weights.sum()
    variances, directions = np.linalg.eigh(covariance)
    return np.asarray((directions * np.sqrt(np.maximum(variances, 0.0))) @ directions.T)
