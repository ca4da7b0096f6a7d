"""Quality measures of every number of clusters, on bounded, weighted samples of users."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, KEvidence, KLimits
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.distances import Indices, squared_distances
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters, clusters
from amzseg_pipeline.steps.segments.clusters.null_reference import null_silhouettes
from amzseg_pipeline.steps.segments.clusters.separation import separations, smoothed_points
from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes
from amzseg_pipeline.steps.segments.clusters.stability import (
    StopRule,
    distinct_point_labels,
    jaccard,
    prediction_strengths,
)
from amzseg_pipeline.steps.segments.features.sampling import weighted_sample
from amzseg_pipeline.steps.segments.features.scaling import Matrix


@dataclass(frozen=True)
class WeightedPoints:
    """A weighted sample of users as points: users x features, in the order of their ids."""

    user_ids: npt.NDArray[np.object_]
    points: Matrix
    weights: Matrix


def weighted_points(scaled: pd.DataFrame, scaling: FeatureScaling, *, users: int) -> WeightedPoints:
    """The sampling.weighted_sample of `scaled` (contracts.SCALED_FEATURES)."""
    sample = weighted_sample(scaled, users=users)
    return WeightedPoints(
        user_ids=sample["user_id"].to_numpy(dtype=object),
        points=scaled_points(sample, scaling),
        weights=sample["weight"].to_numpy(dtype=np.float64),
    )


def scaled_points(scaled: pd.DataFrame, scaling: FeatureScaling) -> Matrix:
    """The features of contracts.SCALED_FEATURES: users x features. Raises ModelError if one is null."""
    names = [feature.name for feature in scaling.features]
    points = np.empty((len(scaled), len(names)))
    for i, name in enumerate(names):
        points[:, i] = scaled[name].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(points).all():
        raise ModelError("scaled_features: a feature of the scaling has null values; materialize the table again.")
    return points


def k_evidence(
    scaled: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    largest: int,
    jobs: int,
    identical_together: bool = False,
) -> tuple[KEvidence, ...]:
    """The evidence for 1 to `largest` clusters of `scaled` (contracts.SCALED_FEATURES).

    Nested samples bound the cost: inertia, shares, Davies-Bouldin and Calinski-Harabasz index use `selection_users`,
    silhouettes `silhouette_users`, the null reference at most 2,000, prediction strength and Jaccard index
    `stability_users`. `identical_together` draws identical users into halves and bootstraps together.
    """
    import sklearn.cluster  # noqa: F401 (threadpool_limits only affects libraries loaded before it)
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    sizes = (settings.selection_users, settings.silhouette_users, settings.stability_users)
    samples = {users: weighted_points(scaled, scaling, users=min(users, sizes[0])) for users in {*sizes}}
    selection, silhouette_sample, stability_sample = (samples[users] for users in sizes)
    # Threads, because starting processes costs 2 s. The limit is set here, or the first thread to finish would lift
    # it for the others. The largest k takes longest and starts first.
    with threadpool_limits(limits=1):
        fits: list[Clusters] = Parallel(n_jobs=jobs, backend="threading")(
            delayed(clusters)(
                selection.points, k, seed=settings.seed, n_init=settings.n_init, weights=selection.weights
            )
            for k in range(largest, 0, -1)
        )[::-1]
        rows = np.searchsorted(selection.user_ids, silhouette_sample.user_ids)
        labellings = [found.labels[rows] for found in fits[1:]]
        sample, weights = silhouette_sample.points, silhouette_sample.weights
        silhouette = [None, *silhouettes(sample, labellings, weights=weights)]
        names, ks = [feature.name for feature in scaling.features], range(2, largest + 1)
        reference = [None, *null_silhouettes(sample, weights, ks, names=names, seed=settings.seed)]
        smoothed = smoothed_points(sample, scaling, seed=settings.seed)
        if identical_together:
            first = np.unique(distinct_point_labels(sample), return_index=True)[1]
            smoothed, weights, labellings = smoothed[first], np.ones(len(first)), [each[first] for each in labellings]
        separation = [None, *separations(smoothed, weights, labellings)]
        without_stability = [
            _evidence(
                found,
                selection,
                settings,
                silhouettes=(silhouette[i], reference[i]),
                separation=separation[i],
                total=fits[0].inertia,
            )
            for i, found in enumerate(fits)
        ]
        rows = np.searchsorted(selection.user_ids, stability_sample.user_ids)
        return tuple(
            Parallel(n_jobs=jobs, backend="threading")(
                delayed(_with_stability)(
                    evidence,
                    stability_sample,
                    fits[evidence.k - 1].labels[rows],
                    settings,
                    identical_together=identical_together,
                )
                for evidence in without_stability[::-1]
            )[::-1]
        )


def limits(settings: Settings) -> KLimits:
    """The range of k and the lower limits of the k criteria."""
    return KLimits(
        k_min=settings.k_min,
        k_max=settings.k_max,
        prediction_strength=settings.min_prediction_strength,
        jaccard=settings.min_jaccard,
        silhouette=settings.min_silhouette,
        silhouette_gain=settings.min_silhouette_gain,
        smallest_share=settings.min_segment_share,
        separation=settings.min_separation,
    )


def _evidence(
    found: Clusters,
    selection: WeightedPoints,
    settings: Settings,
    *,
    silhouettes: tuple[float | None, float | None],
    separation: float | None,
    total: float,
) -> KEvidence:
    """The evidence without stability."""
    silhouette, null_silhouette = silhouettes
    gain = None if silhouette is None or null_silhouette is None else silhouette - null_silhouette
    users = np.bincount(found.labels, weights=selection.weights, minlength=len(found.sizes))
    smallest_share = float(users.min() / users.sum())
    lower = limits(settings)
    return KEvidence(
        k=len(found.sizes),
        inertia=found.inertia,
        sizes=found.sizes,
        smallest_share=smallest_share,
        silhouette=silhouette,
        null_silhouette=null_silhouette,
        prediction_strength=None,
        jaccard=None,
        separation=separation,
        davies_bouldin=_davies_bouldin(found, selection),
        calinski_harabasz=_calinski_harabasz(found, users=float(users.sum()), total=total),
        failed_criteria=_failed(
            ("silhouette", silhouette, lower.silhouette),
            ("silhouette gain over a single population", gain, lower.silhouette_gain),
            ("separation", separation, lower.separation),
            ("smallest share", smallest_share, lower.smallest_share),
        ),
    )


def _with_stability(
    evidence: KEvidence, sample: WeightedPoints, labels: Indices, settings: Settings, *, identical_together: bool
) -> KEvidence:
    """`evidence` with the stability of the clusters `labels` of `sample`; None for one cluster."""
    lower, seed, k = limits(settings), settings.seed, evidence.k
    strength = error = index = None
    if k > 1:
        points, weights, together = sample.points, sample.weights, identical_together
        is_decided, splits = bool(evidence.failed_criteria), settings.prediction_splits
        stop = StopRule(lower.prediction_strength, is_decided)
        strengths = prediction_strengths(
            points, weights, k, splits=splits, seed=seed, identical_together=together, stop=stop
        )
        strength, error = float(np.mean(strengths)), float(np.std(strengths, ddof=1) / np.sqrt(len(strengths)))
        stop = StopRule(lower.jaccard, is_decided or strength + error < lower.prediction_strength)
        bootstraps = settings.jaccard_bootstraps
        index = jaccard(
            points, weights, labels, k, bootstraps=bootstraps, seed=seed, identical_together=together, stop=stop
        )
    failed = _failed(
        ("prediction strength", strength, lower.prediction_strength), ("Jaccard index", index, lower.jaccard)
    )
    return replace(
        evidence,
        prediction_strength=strength,
        prediction_strength_error=error,
        jaccard=index,
        failed_criteria=failed + evidence.failed_criteria,
    )


def _failed(*criteria: tuple[str, float | None, float]) -> tuple[str, ...]:
    return tuple(
        f"{name} is not defined" if value is None else f"{name} {value:.3f} is below {limit:g}"
        for name, value, limit in criteria
        if value is None or value < limit
    )


def _davies_bouldin(found: Clusters, selection: WeightedPoints) -> float | None:
    """Davies and Bouldin 1979: lower is better (tight clusters, far apart)."""
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
    """Calinski and Harabasz 1974: variance between clusters over variance within; None if not defined."""
    k = len(found.sizes)
    if k < 2 or users <= k or found.inertia <= 0:
        return None
    return (total - found.inertia) / (k - 1) / (found.inertia / (users - k))
