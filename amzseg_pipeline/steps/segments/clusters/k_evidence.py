"""What speaks for and against every number of segments, measured on bounded, weighted samples of users."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, KEvidence, KLimits
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters, clusters
from amzseg_pipeline.steps.segments.clusters.null_reference import null_silhouettes
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.clusters.stability import jaccard, prediction_strength
from amzseg_pipeline.steps.segments.features.sampling import weighted_sample
from amzseg_pipeline.steps.segments.features.scaling import Matrix


@dataclass(frozen=True)
class WeightedPoints:
    """A weighted sample of users as points: users x features, in the order of their ids."""

    user_ids: npt.NDArray[np.object_]
    points: Matrix
    weights: Matrix


def weighted_points(scaled: pd.DataFrame, scaling: FeatureScaling, *, users: int) -> WeightedPoints:
    """The sample.weighted_sample of `scaled` (contracts.SCALED_FEATURES)."""
    sample = weighted_sample(scaled, users=users)
    return WeightedPoints(
        user_ids=sample["user_id"].to_numpy(dtype=object),
        points=scaled_points(sample, scaling),
        weights=sample["weight"].to_numpy(dtype=np.float64),
    )


def scaled_points(scaled: pd.DataFrame, scaling: FeatureScaling) -> Matrix:
    """The kept features of contracts.SCALED_FEATURES: users x features. Raises ModelError where one is null."""
    names = [feature.name for feature in scaling.features]
    points = np.empty((len(scaled), len(names)))
    for i, name in enumerate(names):
        points[:, i] = scaled[name].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(points).all():
        raise ModelError("scaled_features: a feature of the scaling has null values; make the table again with it.")
    return points


def k_evidence(
    scaled: pd.DataFrame, scaling: FeatureScaling, settings: Settings, *, largest: int, jobs: int
) -> tuple[KEvidence, ...]:
    """The evidence for 1 to `largest` clusters of `scaled` (contracts.SCALED_FEATURES).

    Inertia, shares, Davies-Bouldin and Calinski-Harabasz index are measured on `selection_users`, silhouettes on
    `silhouette_users`, those of users of one kind on 2,000 at most (see reference), prediction strength and Jaccard
    index on `stability_users`: samples one within the other, so that the cost is bounded whatever the number of users.
    """
    import sklearn.cluster  # noqa: F401 (a limit does not reach an OpenMP that is loaded after it is set)
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    selection, few, fewer = (
        weighted_points(scaled, scaling, users=min(users, settings.selection_users))
        for users in (settings.selection_users, settings.silhouette_users, settings.stability_users)
    )
    # Threads: starting processes costs 2 s where the work takes less. The limit out here
    # keeps a thread that ends first from lifting it for the others. The largest k takes longest, and so begins.
    with threadpool_limits(limits=1):
        measured: list[_Measured] = Parallel(n_jobs=jobs, backend="threading")(
            delayed(_measured)(selection, fewer, settings, k) for k in range(largest, 0, -1)
        )[::-1]
    rows = np.searchsorted(selection.user_ids, few.user_ids)
    labellings = [each.clusters.labels[rows] for each in measured[1:]]
    silhouette = [None, *silhouettes(few.points, labellings, weights=few.weights)]
    reference = [None, *null_silhouettes(few.points, few.weights, range(2, largest + 1), seed=settings.seed)]
    return tuple(
        _evidence(each, selection, settings, silhouettes=(mean, of_one_kind), total=measured[0].clusters.inertia)
        for each, mean, of_one_kind in zip(measured, silhouette, reference, strict=True)
    )


def limits(settings: Settings) -> KLimits:
    """The range of numbers, and the least that every test of the gate asks for."""
    return KLimits(
        k_min=settings.k_min,
        k_max=settings.k_max,
        prediction_strength=settings.min_prediction_strength,
        jaccard=settings.min_jaccard,
        silhouette=settings.min_silhouette,
        silhouette_gain=settings.min_silhouette_gain,
        smallest_share=settings.min_segment_share,
    )


@dataclass(frozen=True)
class _Measured:
    """Clusters of the sample for choosing k, and how stable they are; None for one cluster."""

    clusters: Clusters
    prediction_strength: float | None
    jaccard: float | None


def _measured(selection: WeightedPoints, fewer: WeightedPoints, settings: Settings, k: int) -> _Measured:
    seed = settings.seed
    found = clusters(selection.points, k, seed=seed, n_init=settings.n_init, weights=selection.weights)
    if k == 1:
        return _Measured(found, None, None)
    labels = found.labels[np.searchsorted(selection.user_ids, fewer.user_ids)]
    points, weights, splits = fewer.points, fewer.weights, settings.prediction_splits
    return _Measured(
        clusters=found,
        prediction_strength=prediction_strength(points, weights, k, splits=splits, seed=seed),
        jaccard=jaccard(points, weights, labels, k, bootstraps=settings.jaccard_bootstraps, seed=seed),
    )


def _evidence(
    measured: _Measured,
    selection: WeightedPoints,
    settings: Settings,
    *,
    silhouettes: tuple[float | None, float | None],
    total: float,
) -> KEvidence:
    found, (silhouette, of_one_kind) = measured.clusters, silhouettes
    gain = None if silhouette is None or of_one_kind is None else silhouette - of_one_kind
    users = np.bincount(found.labels, weights=selection.weights, minlength=len(found.sizes))
    smallest_share = float(users.min() / users.sum())
    least = limits(settings)
    gate = (
        ("prediction strength", measured.prediction_strength, least.prediction_strength),
        ("Jaccard index", measured.jaccard, least.jaccard),
        ("silhouette", silhouette, least.silhouette),
        ("gain of silhouette over users of one kind", gain, least.silhouette_gain),
        ("smallest share", smallest_share, least.smallest_share),
    )
    return KEvidence(
        k=len(found.sizes),
        inertia=found.inertia,
        sizes=found.sizes,
        smallest_share=smallest_share,
        silhouette=silhouette,
        null_silhouette=of_one_kind,
        prediction_strength=measured.prediction_strength,
        jaccard=measured.jaccard,
        davies_bouldin=_davies_bouldin(found, selection),
        calinski_harabasz=_calinski_harabasz(found, users=float(users.sum()), total=total),
        failed_criteria=tuple(
            f"{name} is not defined" if value is None else f"{name} {value:.3f} is below {limit:g}"
            for name, value, limit in gate
            if value is None or value < limit
        ),
    )


def _davies_bouldin(found: Clusters, selection: WeightedPoints) -> float | None:
    """Davies and Bouldin 1979: the lower, the tighter clusters are for the distance between them."""
    k = len(found.sizes)
    if k < 2:
        return None
    distances = np.sqrt(
        squared_distances(selection.points, found.centroids)[np.arange(len(found.labels)), found.labels]
    )
    users = np.bincount(found.labels, weights=selection.weights)
    spread = np.bincount(found.labels, weights=selection.weights * distances) / users
    apart = np.sqrt(squared_distances(found.centroids, found.centroids))
    np.fill_diagonal(apart, np.inf)
    return float(((spread[:, None] + spread) / apart).max(axis=1).mean())


def _calinski_harabasz(found: Clusters, *, users: float, total: float) -> float | None:
    """Calinski and Harabasz 1974: variance between clusters over variance within; None where one is not defined."""
    k = len(found.sizes)
    if k < 2 or users <= k or found.inertia <= 0:
        return None
    return (total - found.inertia) / (k - 1) / (found.inertia / (users - k))
