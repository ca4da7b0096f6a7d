"""How many segments there are: the evidence for every number, and the rule that chooses one."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, KEvidence
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clustering import clusters
from amzseg_pipeline.steps.segments.names import most_segments, too_many_segments
from amzseg_pipeline.steps.segments.scaling import Matrix
from amzseg_pipeline.steps.segments.silhouettes import silhouettes

_SAME_POINT_DECIMALS = 6
"""Users nearer than this many decimals of a standard deviation are one point: KMeans cannot tell them apart either."""


def k_choice(scaled: pd.DataFrame, scaling: FeatureScaling, settings: Settings, *, jobs: int) -> KChoice:
    """The number of clusters for `scaled` (contracts.SCALED_FEATURES), with the evidence for every k from 1.

    The rule: the knee of the inertia (kneed, from k = 1) if its silhouette is at least `min_silhouette_ratio` of the
    best one in k_min..k_max, else the best; or the setting k. The range ends where users cease to differ or names run
    out. Inertia is measured on `selection_users`, silhouettes on `silhouette_users`, those of smallest user_hash, so
    that the cost is bounded. `jobs` threads share the work and do not change the result. Raises ModelError when the
    setting k is above the number of names.
    """
    most = most_segments(scaling)
    if settings.k > most:
        raise ModelError(too_many_segments(settings.k, scaling))
    sample = _smallest_hashes(scaled, settings.selection_users)
    points = scaled_points(sample, scaling)
    apart = min(most, _distinct(points))
    last = min(settings.k_max, apart)
    candidates = range(min(settings.k_min, last), last + 1)
    evidence = _evidence(
        sample, points, settings, jobs=jobs, largest=min(max(settings.k_max, settings.k), apart), candidates=candidates
    )
    measured = {e.k: e.silhouette for e in evidence if e.silhouette is not None and e.k in candidates}
    best = max(measured, key=lambda k: (measured[k], -k), default=None)
    knee = _knee([e.inertia for e in evidence if e.k <= last])
    k, rule = _rule(settings, measured, knee=knee, best=best, last=last, apart=apart)
    return KChoice(k=k, rule=rule, knee=knee, best_silhouette=best, evidence=evidence)


def scaled_points(scaled: pd.DataFrame, scaling: FeatureScaling) -> Matrix:
    """The kept features of contracts.SCALED_FEATURES: users x features. Raises ModelError where one is null."""
    names = [feature.name for feature in scaling.features]
    points = np.empty((len(scaled), len(names)))
    for i, name in enumerate(names):
        points[:, i] = scaled[name].to_numpy(dtype=np.float64, na_value=np.nan)
    if not np.isfinite(points).all():
        raise ModelError("scaled_features: a feature of the scaling has null values; make the table again with it.")
    return points


def _rule(
    settings: Settings, measured: dict[int, float], *, knee: int | None, best: int | None, last: int, apart: int
) -> tuple[int, str]:
    if settings.k:
        if settings.k > apart:
            return apart, f"the setting k = {settings.k}, lowered to the {apart} users that differ"
        return settings.k, f"the setting k = {settings.k}"
    if last == 1:
        return 1, "all users are alike"
    if best is None:
        return last, f"there are too few users to measure silhouettes: {last} that differ"
    if knee is None or knee not in measured:
        span = f"{min(measured)}..{max(measured)}"
        why = "there is no knee" if knee is None else f"the knee, k = {knee}, is outside {span}"
        return best, f"the best silhouette, {measured[best]:.3f}: {why}"
    ratio = measured[knee] / measured[best] if measured[best] > 0 else float(knee == best)
    said = f"its silhouette, {measured[knee]:.3f}, is {ratio:.2f} of the best, {measured[best]:.3f} at k = {best}"
    if ratio >= settings.min_silhouette_ratio:
        return knee, f"the knee: {said}"
    return best, f"the best silhouette: the knee is k = {knee}, but {said}"


def _evidence(
    sample: pd.DataFrame, points: Matrix, settings: Settings, *, jobs: int, largest: int, candidates: Sequence[int]
) -> tuple[KEvidence, ...]:
    from joblib import Parallel, delayed
    from threadpoolctl import threadpool_limits

    # Threads: KMeans releases the GIL, and starting processes costs 2 s where the work takes less. The limit out here
    # keeps a thread that ends first from lifting it for the others.
    with threadpool_limits(limits=1):
        found = Parallel(n_jobs=jobs, backend="threading")(
            delayed(clusters)(points, k, seed=settings.seed, n_init=settings.n_init) for k in range(1, largest + 1)
        )
    few = _smallest_hashes(sample.reset_index(drop=True), settings.silhouette_users).index.to_numpy()
    wanted = [k for k in range(2, largest + 1) if k in candidates or k == settings.k]
    silhouette = dict(zip(wanted, silhouettes(points[few], [found[k - 1].labels[few] for k in wanted]), strict=True))
    return tuple(
        KEvidence(k=k, inertia=clustering.inertia, silhouette=silhouette.get(k), sizes=clustering.sizes)
        for k, clustering in enumerate(found, start=1)
    )


def _smallest_hashes(scaled: pd.DataFrame, most_users: int) -> pd.DataFrame:
    return scaled.sort_values(["user_hash", "user_id"]).head(most_users).sort_values("user_id")


def _distinct(points: Matrix) -> int:
    return len(np.unique(points.round(_SAME_POINT_DECIMALS), axis=0)) if points.shape[1] else 1


def _knee(inertias: Sequence[float]) -> int | None:
    """The knee of the inertias of k = 1, 2, ...; None where there is none."""
    if len(inertias) < 3 or max(inertias) == min(inertias):
        return None
    from kneed import KneeLocator

    knee = KneeLocator(range(1, len(inertias) + 1), inertias, curve="convex", direction="decreasing").knee
    return None if knee is None else int(knee)
