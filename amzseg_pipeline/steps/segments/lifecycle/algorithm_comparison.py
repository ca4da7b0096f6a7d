"""Comparison of KMeans with other clustering algorithms on the same users. It is not published."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.algorithms import ALGORITHM_COMPARISON
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.distances import Indices
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.clusters.stability import distinct_point_labels
from amzseg_pipeline.steps.segments.features.scaling import Matrix
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame

SUBSAMPLE_SHARE = 0.8
SMALLEST_CLUSTER_SHARE = 0.02
NOISE = -1


def comparison_sample(
    scaled_features: nw.LazyFrame[Any], segment_assignments: nw.LazyFrame[Any], *, users: int
) -> nw.LazyFrame[Any]:
    """contracts.SCALED_FEATURES of at most `users` users with the smallest hashes, with their segment_id, sorted."""
    sampled = scaled_features.sort("user_hash", "user_id").head(users)
    return sampled.join(segment_assignments.select("user_id", "segment_id"), on="user_id").sort("user_id")


def algorithm_comparison(
    sample: pd.DataFrame, scaling: FeatureScaling, settings: Settings, *, clock: Callable[[], float]
) -> pd.DataFrame:
    """contracts.ALGORITHM_COMPARISON of `sample` (comparison_sample).

    Algorithms with a number of clusters get the number of segments. `clock` returns seconds. An algorithm that fails
    has a row with the reason.
    """
    from threadpoolctl import threadpool_limits

    points = np.ascontiguousarray(scaled_points(sample, scaling))
    champion = np.unique(sample["segment_id"].to_numpy(dtype=object), return_inverse=True)[1].astype(np.int64)
    k = int(champion.max()) + 1
    with threadpool_limits(limits=1):
        rows = [
            _row(algorithm, _subsamples(points, k, i, settings), points, champion, clock=clock)
            for i, algorithm in enumerate(_algorithms(points, k, settings))
        ]
    return contract_frame(ALGORITHM_COMPARISON, {name: [row.get(name) for row in rows] for name in rows[0]})


@dataclass(frozen=True)
class _Algorithm:
    """A clustering of scikit-learn; it needs at least `min_distinct_points` different points."""

    name: str
    parameters: dict[str, Any]
    fixed: dict[str, Any]
    min_distinct_points: int

    def labels(self, points: Matrix) -> Indices:
        """The cluster of every point, from 0, or NOISE."""
        import sklearn.cluster
        import sklearn.mixture

        estimator = getattr(sklearn.cluster, self.name, None) or getattr(sklearn.mixture, self.name)
        return np.asarray(estimator(**self.parameters, **self.fixed).fit_predict(points), dtype=np.int64)


def _algorithms(points: Matrix, k: int, settings: Settings) -> list[_Algorithm]:
    neighbours = 2 * max(points.shape[1], 1)
    smallest = max(2, int(SMALLEST_CLUSTER_SHARE * len(points)))
    seed, starts = {"random_state": settings.seed}, {"n_init": settings.n_init}
    density = {"eps": _radius(points, neighbours), "min_samples": neighbours}
    return [
        _Algorithm("KMeans", {"n_clusters": k, **starts}, seed, k),
        _Algorithm("BisectingKMeans", {"n_clusters": k, **starts}, seed, k),
        _Algorithm("GaussianMixture", {"n_components": k}, {"max_iter": 500, **seed}, k),
        _Algorithm("AgglomerativeClustering", {"n_clusters": k, "linkage": "ward"}, {}, k),
        _Algorithm("DBSCAN", density, {}, 1),
        _Algorithm("HDBSCAN", {"min_cluster_size": smallest}, {"copy": True}, 1),
    ]


def _radius(points: Matrix, neighbours: int) -> float:
    """DBSCAN's radius: the knee of the sorted distances to the `neighbours`-th neighbour (Ester et al. 1996)."""
    from kneed import KneeLocator
    from sklearn.neighbors import NearestNeighbors

    if len(points) <= neighbours or not points.shape[1]:
        return 1.0
    nearest = NearestNeighbors(n_neighbors=neighbours).fit(points).kneighbors(points)[0]
    distances = np.sort(nearest[:, -1])
    knee = None
    if distances[-1] > distances[0]:
        knee = KneeLocator(range(len(distances)), distances, curve="convex", direction="increasing").knee_y
    return float(knee or distances[-1] or 1.0)


def _subsamples(points: Matrix, k: int, index: int, settings: Settings) -> Iterator[tuple[Indices, _Algorithm]]:
    """Rows of `points`, and algorithm number `index` with parameters for these rows."""
    for subsample in range(settings.comparison_subsamples):
        rng = np.random.default_rng((settings.seed, subsample))
        rows = np.sort(rng.permutation(len(points))[: max(1, int(SUBSAMPLE_SHARE * len(points)))])
        yield rows, _algorithms(points[rows], k, settings)[index]


def _row(
    algorithm: _Algorithm,
    subsamples: Iterator[tuple[Indices, _Algorithm]],
    points: Matrix,
    champion: Indices,
    *,
    clock: Callable[[], float],
) -> dict[str, Any]:
    from sklearn.metrics import adjusted_rand_score

    parameters = ", ".join(f"{name}={_shown(value)}" for name, value in algorithm.parameters.items())
    row: dict[str, Any] = {**dict.fromkeys(ALGORITHM_COMPARISON.column_names), "algorithm": algorithm.name}
    row |= {"parameters": parameters, "users": len(points)}
    point_labels = distinct_point_labels(points)
    distinct = int(point_labels.max()) + 1
    if not points.shape[1] or distinct < algorithm.min_distinct_points:
        return row | {"failure": f"only {distinct} distinct users"}
    began = clock()
    try:
        labels = algorithm.labels(points)
        seconds = clock() - began
        agreements = [
            float(adjusted_rand_score(labels[rows], same.labels(points[rows])))
            for rows, same in subsamples
            if len(np.unique(point_labels[rows])) >= algorithm.min_distinct_points
        ]
    except (ValueError, MemoryError) as error:
        return row | {"failure": f"{type(error).__name__}: {error}"}
    in_cluster = labels != NOISE
    sizes = np.sort(np.bincount(labels[in_cluster]))[::-1] if in_cluster.any() else np.zeros(0, np.int64)
    return row | {
        "clusters": len(sizes),
        "sizes": " / ".join(str(size) for size in sizes),
        "noise_share": float(np.mean(~in_cluster)),
        "silhouette": silhouettes(points[in_cluster], [labels[in_cluster]])[0] if len(sizes) else None,
        "adjusted_rand_subsamples": float(np.mean(agreements)) if agreements else None,
        "adjusted_rand_champion": float(adjusted_rand_score(labels, champion)),
        "seconds": seconds,
    }


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else repr(value)
