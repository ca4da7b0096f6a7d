"""What a silhouette would be if users were of one kind: that of users drawn from one normal distribution."""

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
    """For every number of clusters the mean silhouette of users of one kind; None where it is not defined.

    As many users as `points`, 2,000 at most, drawn from the normal distribution of the same covariance, and clustered
    as the real ones are. Clusters of a long cloud without any gap come out the same each time, so measures of stability
    cannot tell them from kinds of users; this can (Liu et al. 2008, SigClust, do it for two clusters).
    """
    users = min(len(points), _MAX_USERS)
    drawn = np.random.default_rng(seed).normal(size=(users, points.shape[1])) @ _root(points, weights)
    labellings = [clusters(drawn, k, seed=seed, n_init=_STARTS).labels for k in numbers_of_clusters]
    return silhouettes(drawn, labellings)


def _root(points: Matrix, weights: Matrix) -> Matrix:
    """The symmetric root of the weighted covariance: the one root that no convention of signs changes."""
    centred = points - np.average(points, axis=0, weights=weights)
    covariance = (centred * weights[:, None]).T @ centred / weights.sum()
    variances, directions = np.linalg.eigh(covariance)
    return np.asarray((directions * np.sqrt(np.maximum(variances, 0.0))) @ directions.T)
