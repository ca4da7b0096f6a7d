"""KMeans in an order of clusters that does not depend on how KMeans happened to number them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.features.scaling import Matrix

OUTLIER_PERCENTILE = 99.5


@dataclass(frozen=True)
class Clusters:
    """Clusters of points: most points first, then by centroid, coordinate by coordinate.

    `labels` gives the place of each point's cluster in `centroids`, `sizes` and `outlier_distances` (the 99.5th
    percentile of the distances of the cluster's own points).
    """

    centroids: Matrix
    labels: npt.NDArray[np.int64]
    sizes: tuple[int, ...]
    outlier_distances: tuple[float, ...]
    inertia: float


def clusters(
    points: Matrix, k: int, *, seed: int, n_init: int, weights: Matrix | None = None, start: Matrix | None = None
) -> Clusters:
    """`points` (rows sorted by key, so that the result does not depend on their order) in `k` clusters.

    With `weights` a point counts as so many in centroids and inertia; sizes and percentiles are of points. With `start`
    the one fit begins at these centroids.
    Runs on one thread: sums over threads would depend on the machine's number of cores. Points without coordinates
    are one cluster.
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
