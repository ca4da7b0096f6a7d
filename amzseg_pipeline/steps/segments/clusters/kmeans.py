"""KMeans with a canonical order of clusters."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.features.scaling import Matrix

OUTLIER_PERCENTILE = 99.5


@dataclass(frozen=True)
class Clusters:
    """Clusters of points, ordered by size (largest first), then by centroid.

    `labels` indexes `centroids`, `sizes` and `outlier_distances` (the 99.5th percentile of the distances of the
    cluster's points to its centroid).
    """

    centroids: Matrix
    labels: npt.NDArray[np.int64]
    sizes: tuple[int, ...]
    outlier_distances: tuple[float, ...]
    inertia: float


def clusters(
    points: Matrix, k: int, *, seed: int, n_init: int, weights: Matrix | None = None, start: Matrix | None = None
) -> Clusters:
    """`points` in `k` clusters, fitted on one thread so that the result does not depend on the number of cores.

    Args:
        points: Points x features, rows sorted by key. Without features there is one cluster.
        k: Number of clusters.
        seed: Seed of the random starts.
        n_init: Number of random starts.
        weights: Weight of each point in centroids and inertia; sizes and percentiles ignore it.
        start: Initial centroids of a single fit, in place of random starts.
    """
    if points.shape[1] == 0:
        return Clusters(np.empty((1, 0)), np.zeros(len(points), np.int64), (len(points),), (0.0,), 0.0)
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        kmeans = KMeans(
            k, n_init=n_init if start is None else 1, init="k-means++" if start is None else start, random_state=seed
        )
        fitted = kmeans.fit(np.ascontiguousarray(points), sample_weight=weights)
    sizes = np.bincount(fitted.labels_, minlength=k)
    order = np.lexsort((*fitted.cluster_centers_.T[::-1], -sizes))
    centroids = fitted.cluster_centers_[order]
    labels = np.argsort(order)[fitted.labels_]
    distances = np.sqrt(squared_distances(points, centroids)[np.arange(len(points)), labels])
    return Clusters(
        centroids=centroids,
        labels=labels,
        sizes=tuple(int(size) for size in sizes[order]),
        outlier_distances=tuple(_percentile(distances[labels == i]) for i in range(k)),
        inertia=float(fitted.inertia_),
    )


def _percentile(distances: Matrix) -> float:
    return float(np.percentile(distances, OUTLIER_PERCENTILE)) if distances.size else 0.0
