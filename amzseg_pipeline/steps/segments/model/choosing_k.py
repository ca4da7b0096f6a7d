"""The choice of k, the number of segments, from the evidence for every number of clusters."""

from collections.abc import Callable, Collection, Sequence
from typing import Literal

import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, KEvidence
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.k_evidence import k_evidence, limits, weighted_points
from amzseg_pipeline.steps.segments.clusters.stability import distinct_point_labels
from amzseg_pipeline.steps.segments.model.naming import max_segments, too_many_segments

_DEFAULT_K = 3

_SIGNS_OF_A_VALLEY = 0.5
"""A larger k with this share of the limit of separation shows signs of further types."""


def k_choice(
    scaled: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    jobs: int,
    champion_k: int | None = None,
    identical_together: bool = False,
) -> KChoice:
    """The number of clusters for `scaled` (contracts.SCALED_FEATURES), with the evidence for every k from 1.

    The range is limited by the number of distinct users and of names.

    Args:
        scaled: The training sample.
        scaling: The scaling behind `scaled`.
        settings: Settings of the run.
        jobs: Threads that share the work; they do not change the result.
        champion_k: Current number of segments, kept if the evidence supports no number.
        identical_together: Whether identical users count as one observation, which halves and bootstraps keep together.
            Reviewers of one product are identical if the source states the product's rating instead of theirs.

    Raises:
        ModelError: The setting k exceeds the number of names.
    """
    selection = weighted_points(scaled, scaling, users=settings.selection_users)
    max_k, distinct = max_segments(scaling), int(distinct_point_labels(selection.points).max()) + 1
    if min(settings.k, distinct) > max_k:
        raise ModelError(too_many_segments(settings.k, scaling))
    largest = min(max(settings.k_max, settings.k), max_k, distinct)
    evidence = k_evidence(scaled, scaling, settings, largest=largest, jobs=jobs, identical_together=identical_together)
    return choice_from_evidence(evidence, settings, champion_k=champion_k)


def choice_from_evidence(
    evidence: tuple[KEvidence, ...], settings: Settings, *, champion_k: int | None = None
) -> KChoice:
    """The number of clusters that `evidence` (for k = 1, 2, ...) supports.

    Rule: of the numbers in k_min..k_max that pass every k criterion, the largest with a silhouette of at least
    `min_silhouette_ratio` times the best one. If none passes: `champion_k`, the current number of segments; else the
    knee of the inertia (kneed, from k = 1); else 3; each moved to the nearest number in the range that keeps
    `min_segment_share`. If the confidence of the result is medium, a `champion_k` in the range is kept unless its own
    is low. The setting k overrides the rule.
    """
    last = min(settings.k_max, len(evidence))
    candidates = range(min(settings.k_min, last), last + 1)
    knee = _knee([e.inertia for e in evidence if e.k <= last])
    k, rule = _rule(
        evidence, candidates, settings, fallback=_fallback(evidence, candidates, settings, champion_k, knee)
    )
    confidence = _confidence(evidence, k, settings)
    if confidence == "medium" and not settings.k and champion_k is not None and champion_k in candidates:
        champion_confidence = _confidence(evidence, champion_k, settings)
        if champion_k != k and champion_confidence != "low":
            rule = f"the current number of segments stays, because the confidence of k = {k} is only medium"
            k, confidence = champion_k, champion_confidence
    eligible = [e for e in evidence if e.k in candidates]
    best_silhouette = _best(eligible, lambda e: e.silhouette)
    return KChoice(
        k=k,
        rule=rule,
        confidence=confidence,
        knee=knee,
        knee_near_best_silhouette=_knee_near_best(eligible, knee, best_silhouette, settings),
        best_silhouette=best_silhouette,
        best_calinski_harabasz=_best(eligible, lambda e: e.calinski_harabasz),
        best_davies_bouldin=_best(eligible, lambda e: None if e.davies_bouldin is None else -e.davies_bouldin),
        largest_by_prediction_strength=_largest(
            eligible, lambda e: e.prediction_strength, settings.min_prediction_strength
        ),
        largest_by_jaccard=_largest(eligible, lambda e: e.jaccard, settings.min_jaccard),
        evidence=evidence,
        limits=limits(settings),
        passing=tuple(e.k for e in eligible if not e.failed_criteria),
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
            return len(evidence), f"the setting k = {settings.k}, lowered to the {len(evidence)} distinct users"
        return settings.k, f"the setting k = {settings.k}"
    if max(candidates) == 1:
        return 1, "all users are identical"
    passing = {
        e.k: e.silhouette for e in evidence if e.k in candidates and not e.failed_criteria and e.silhouette is not None
    }
    if not passing:
        k, reason = fallback
        return k, f"no number from {min(candidates)} to {max(candidates)} passes every criterion; {reason}"
    best = max(passing, key=lambda k: (passing[k], -k))
    k = max(k for k, silhouette in passing.items() if silhouette >= settings.min_silhouette_ratio * passing[best])
    numbers = ", ".join(map(str, passing))
    if len(passing) == 1:
        return k, "the only number that passes every criterion"
    rule = f"the largest number that passes every criterion ({numbers})"
    if k == max(passing):
        return k, rule
    return k, f"{rule} with a silhouette of at least {settings.min_silhouette_ratio:g} of the best, {passing[best]:.3f}"


def _fallback(
    evidence: Sequence[KEvidence],
    candidates: Collection[int],
    settings: Settings,
    champion_k: int | None,
    knee: int | None,
) -> tuple[int, str]:
    """The number if the evidence supports none; it keeps `min_segment_share` if any candidate does."""
    keeping = [k for k in candidates if evidence[k - 1].smallest_share >= settings.min_segment_share] or candidates
    for k, name, use in (
        (champion_k, "the current number of segments", "stays"),
        (knee, "the knee of the inertia", "is taken"),
        (_DEFAULT_K, "the default", "is taken"),
    ):
        if k is not None:
            within = min(keeping, key=lambda candidate: (abs(candidate - k), candidate))
            return within, f"{name} {use}" if within == k else f"it is the allowed number nearest to {name}, {k}"
    raise AssertionError


def _confidence(evidence: Sequence[KEvidence], k: int, settings: Settings) -> Literal["high", "medium", "low"]:
    chosen = evidence[k - 1]
    strength, error = chosen.prediction_strength, chosen.prediction_strength_error or 0.0
    if strength is None:
        return "low"
    limit = settings.min_prediction_strength
    if chosen.failed_criteria:
        is_close = len(chosen.failed_criteria) == 1 and limit - error <= strength < limit
        return "medium" if is_close else "low"
    signs = _SIGNS_OF_A_VALLEY * settings.min_separation
    has_further_types = signs > 0 and any((more.separation or 0.0) >= signs for more in evidence[k:])
    return "high" if strength >= limit + error and not has_further_types else "medium"


def _best(evidence: Sequence[KEvidence], measure: Callable[[KEvidence], float | None]) -> int | None:
    measured = {e.k: value for e in evidence if (value := measure(e)) is not None}
    return max(measured, key=lambda k: (measured[k], -k), default=None)


def _largest(evidence: Sequence[KEvidence], measure: Callable[[KEvidence], float | None], minimum: float) -> int | None:
    return max((e.k for e in evidence if (value := measure(e)) is not None and value >= minimum), default=None)


def _knee_near_best(
    evidence: Sequence[KEvidence], knee: int | None, best: int | None, settings: Settings
) -> int | None:
    """The knee if its silhouette is close to the best, else the number with the best silhouette."""
    silhouette = {e.k: e.silhouette for e in evidence if e.silhouette is not None}
    if best is None or knee not in silhouette:
        return best
    return knee if silhouette[knee] >= settings.min_silhouette_ratio * silhouette[best] else best


def _knee(inertias: Sequence[float]) -> int | None:
    """The knee of the inertias of k = 1, 2, ..., or None."""
    if len(inertias) < 3 or max(inertias) == min(inertias):
        return None
    from kneed import KneeLocator

    knee = KneeLocator(range(1, len(inertias) + 1), inertias, curve="convex", direction="decreasing").knee
    return None if knee is None else int(knee)
