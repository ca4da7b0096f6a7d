"""How many segments there are: the rule that chooses a number on the evidence for every one."""

from collections.abc import Callable, Collection, Sequence

import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, KEvidence
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.k_evidence import k_evidence, limits, weighted_points
from amzseg_pipeline.steps.segments.clusters.stability import distinct_point_labels
from amzseg_pipeline.steps.segments.model.naming import max_segments, too_many_segments

_USUAL_K = 3


def k_choice(
    scaled: pd.DataFrame, scaling: FeatureScaling, settings: Settings, *, jobs: int, champion_k: int | None = None
) -> KChoice:
    """The number of clusters for `scaled` (contracts.SCALED_FEATURES), with the evidence for every k from 1.

    The range ends where users cease to differ or names run out. `jobs` threads share the work and do not change the
    result. Raises ModelError when the setting k asks for more segments than there are names.
    """
    selection = weighted_points(scaled, scaling, users=settings.selection_users)
    most, differing = max_segments(scaling), int(distinct_point_labels(selection.points).max()) + 1
    if min(settings.k, differing) > most:
        raise ModelError(too_many_segments(settings.k, scaling))
    apart = min(most, differing)
    largest = min(max(settings.k_max, settings.k), apart)
    return choice_on(k_evidence(scaled, scaling, settings, largest=largest, jobs=jobs), settings, champion_k=champion_k)


def choice_on(evidence: tuple[KEvidence, ...], settings: Settings, *, champion_k: int | None = None) -> KChoice:
    """The number of clusters that `evidence`, from k = 1 to as many as users differ by, speaks for.

    The rule: of the numbers in k_min..k_max that pass every test of the gate (see evidence.k_evidence), the largest
    whose silhouette is at least `min_silhouette_ratio` of the best of them. Where none passes: `champion_k`, the
    number of segments there are; else the knee of the inertia (kneed, from k = 1), brought into the range; else 3; all
    with low confidence. The setting k goes before all that.
    """
    last = min(settings.k_max, len(evidence))
    candidates = range(min(settings.k_min, last), last + 1)
    knee = _knee([e.inertia for e in evidence if e.k <= last])
    k, rule = _rule(evidence, candidates, settings, fallback=_fallback(candidates, champion_k, knee))
    of_range = [e for e in evidence if e.k in candidates]
    best_silhouette = _best(of_range, lambda e: e.silhouette)
    return KChoice(
        k=k,
        rule=rule,
        confidence="low" if evidence[k - 1].failed_criteria else "high",
        knee=knee,
        knee_near_best_silhouette=_knee_near_best(of_range, knee, best_silhouette, settings),
        best_silhouette=best_silhouette,
        best_calinski_harabasz=_best(of_range, lambda e: e.calinski_harabasz),
        best_davies_bouldin=_best(of_range, lambda e: None if e.davies_bouldin is None else -e.davies_bouldin),
        largest_by_prediction_strength=_largest(
            of_range, lambda e: e.prediction_strength, settings.min_prediction_strength
        ),
        largest_by_jaccard=_largest(of_range, lambda e: e.jaccard, settings.min_jaccard),
        evidence=evidence,
        limits=limits(settings),
    )


def _rule(
    evidence: Sequence[KEvidence],
    candidates: Collection[int],
    settings: Settings,
    *,
    fallback: tuple[int, str],
) -> tuple[int, str]:
    if settings.k:
        if settings.k > len(evidence):
            return len(evidence), f"the setting k = {settings.k}, lowered to the {len(evidence)} users that differ"
        return settings.k, f"the setting k = {settings.k}"
    if max(candidates) == 1:
        return 1, "all users are alike"
    gate = {
        e.k: e.silhouette for e in evidence if e.k in candidates and not e.failed_criteria and e.silhouette is not None
    }
    if not gate:
        k, why = fallback
        return k, f"{why}: no number from {min(candidates)} to {max(candidates)} passes every test"
    best = max(gate, key=lambda k: (gate[k], -k))
    k = max(k for k, silhouette in gate.items() if silhouette >= settings.min_silhouette_ratio * gate[best])
    passing = ", ".join(map(str, gate))
    if len(gate) == 1:
        return k, "the only number that passes every test"
    said = f"the largest of the numbers that pass every test ({passing})"
    if k == max(gate):
        return k, said
    return k, f"{said} whose silhouette is at least {settings.min_silhouette_ratio:g} of the best, {gate[best]:.3f}"


def _fallback(candidates: Collection[int], champion_k: int | None, knee: int | None) -> tuple[int, str]:
    for k, why in (
        (champion_k, "the number of segments there are"),
        (knee, f"the knee, k = {knee}"),
        (_USUAL_K, "the usual number"),
    ):
        if k is not None:
            within = min(max(k, min(candidates)), max(candidates))
            return within, why if within == k else f"{why}, brought into the range"
    raise AssertionError


def _best(evidence: Sequence[KEvidence], figure: Callable[[KEvidence], float | None]) -> int | None:
    measured = {e.k: value for e in evidence if (value := figure(e)) is not None}
    return max(measured, key=lambda k: (measured[k], -k), default=None)


def _largest(evidence: Sequence[KEvidence], figure: Callable[[KEvidence], float | None], least: float) -> int | None:
    return max((e.k for e in evidence if (value := figure(e)) is not None and value >= least), default=None)


def _knee_near_best(
    evidence: Sequence[KEvidence], knee: int | None, best: int | None, settings: Settings
) -> int | None:
    """The knee if its silhouette is near the best one, else the best."""
    silhouette = {e.k: e.silhouette for e in evidence if e.silhouette is not None}
    if best is None or knee not in silhouette:
        return best
    return knee if silhouette[knee] >= settings.min_silhouette_ratio * silhouette[best] else best


def _knee(inertias: Sequence[float]) -> int | None:
    """The knee of the inertias of k = 1, 2, ...; None where there is none."""
    if len(inertias) < 3 or max(inertias) == min(inertias):
        return None
    from kneed import KneeLocator

    knee = KneeLocator(range(1, len(inertias) + 1), inertias, curve="convex", direction="decreasing").knee
    return None if knee is None else int(knee)
