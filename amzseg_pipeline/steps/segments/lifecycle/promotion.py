"""Promotion: the criteria that decide whether a challenger replaces the champion.

Over 250 lines: the decision and every criterion that it depends on.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import KChoice, Model
from amzseg_pipeline.contracts.promotion import (
    Challenger,
    CriterionResult,
    Decision,
    Drift,
    ModelComparison,
    PromotionCriterion,
    PromotionReport,
    PromotionState,
)
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.lifecycle.promotion_state import (
    drift_days,
    drift_persists,
    pending_days,
    pending_model,
)

_HOW_MUCH_CHANGES = {"adjusted_rand", "moved_share", "centroid_shift", "same_segments"}
"""Waived if drift persists, or if a better model was pending for long."""

_NOT_BETTER = "not better"


def promotion_report(
    champion: Model | None,
    challenger: Challenger,
    drift: Drift,
    promotion_state: PromotionState,
    settings: Settings,
    *,
    now: datetime,
) -> PromotionReport:
    """The decision PROMOTE, HOLD, REJECT or KEEP, with every criterion.

    KEEP: there is no challenger, it equals the champion, or drift persists and it is not better: then the champion
    stays, and drift is measured from the users of this run on. REJECT: an absolute criterion fails (but see HOLD), or
    the challenger is not better. HOLD: it is better, but another relative criterion fails; or there is drift, and of
    the absolute criteria only `k_criteria` fails.
    PROMOTE: every criterion passes; or `promotion` is "automatic", and what would be on HOLD fails only criteria about
    how much changes, while drift persists or a better model has been pending for `drift_persist_days`, because outdated
    segments cost more than moved users. Drift of so many days also waives `k_criteria`: if no number of segments passes
    on the users of today, that of the champion does not either, and its confidence is outdated. The first model has
    absolute criteria only, and its confidence may be low.

    Args:
        champion: The current model, None in the first run.
        challenger: The challenger of this run.
        drift: Drift measured in this run.
        promotion_state: The state that the previous run left.
        settings: Settings of the run.
        now: Time of the run.

    Raises:
        ModelError: The first model cannot be published, or a challenger was not compared.
    """
    model = challenger.model
    if model is None:
        return PromotionReport("KEEP", challenger.reason, _version(champion), "", ())
    if champion is not None and model.version == champion.version:
        return PromotionReport("KEEP", "the challenger equals the champion", champion.version, model.version, ())
    absolute = _absolute_criteria(model, champion, settings)
    persists = drift_persists(promotion_state, drift, settings, now=now)
    relative = (
        [] if champion is None else _relative_criteria(challenger.comparison, model.choice, promotion_state, settings)
    )
    decision, reason = _decision(absolute, relative, drift)
    failed_criteria = set(_failed([*absolute, *relative]))
    days = settings.drift_persist_days
    pending = promotion_state.pending if pending_model(promotion_state, champion) else None
    lasting = f"drift persists ({promotion_state.drift_runs + 1} runs)" if persists else ""
    if not lasting and pending and pending_days(pending, now=now) >= days:
        lasting = f"a model has been pending since {pending.better_since[:10]}"
    is_long_drift = persists and drift_days(promotion_state, now=now) >= days
    waivable = _HOW_MUCH_CHANGES | ({"k_criteria"} if is_long_drift else set())
    if decision == "HOLD" and settings.promotion == "automatic" and lasting and failed_criteria <= waivable:
        decision, reason = "PROMOTE", f"{lasting}, which waives {', '.join(sorted(failed_criteria))}"
    if decision == "REJECT" and reason == _NOT_BETTER and persists:
        decision, reason = "KEEP", "drift persists, but a new model fits the users no better than the champion"
    if champion is None and decision == "REJECT":
        raise ModelError(f"challenger_model: {reason}, and there is no champion to publish instead.")
    return PromotionReport(decision, reason, _version(champion), model.version, (*absolute, *relative))


def approved_report(version: str, champion: Model | None, promotion_state: PromotionState) -> PromotionReport:
    """The promotion report of the approved pending model `version`. Raises ModelError if it is not pending."""
    pending, model = promotion_state.pending, pending_model(promotion_state, champion)
    if pending is None or model is None or model.version != version:
        pending_version = model.version if model else "none"
        raise ModelError(
            f"approve: model {version} is not pending (pending: {pending_version}); see run.json of the last snapshot "
            "or the metadata of promotion_gate."
        )
    reason = f"approved; it was pending because {pending.report.reason}"
    return PromotionReport("PROMOTE", reason, pending.report.champion_version, version, pending.report.criteria)


def _decision(
    absolute: Sequence[PromotionCriterion], relative: Sequence[PromotionCriterion], drift: Drift
) -> tuple[Decision, str]:
    failed_absolute, failed_relative = _failed(absolute), _failed(relative)
    is_drifting = bool(relative and drift.triggers)
    if failed_absolute and not (is_drifting and failed_absolute == ["k_criteria"]):
        return "REJECT", f"it failed {', '.join(failed_absolute)}"
    if "better" in failed_relative:
        return "REJECT", _NOT_BETTER
    merit = next((criterion.waiver for criterion in relative if criterion.name == "better"), "") or "it is better"
    if failed_absolute:
        return "HOLD", f"{merit} under drift, but no number of segments passes the k criteria"
    if failed_relative:
        return "HOLD", f"{merit}, but it failed {', '.join(failed_relative)}"
    return "PROMOTE", "it passed every criterion" if relative else "it is the first model"


def _failed(criteria: Sequence[PromotionCriterion]) -> list[str]:
    return [criterion.name for criterion in criteria if criterion.result == "failed"]


def _absolute_criteria(model: Model, champion: Model | None, settings: Settings) -> list[PromotionCriterion]:
    names = [segment.name for segment in model.segments]
    numbers = [number for segment in model.segments for number in (*segment.centroid, segment.outlier_distance)]
    not_finite = sum(not math.isfinite(number) for number in numbers)
    return [
        _k_criteria(model, champion, settings),
        _at_most("finite", not_finite, 0, "numbers of the segments that are not finite", kind="absolute"),
        _at_most("unique_names", len(names) - len(set(names)), 0, "duplicate names", kind="absolute"),
    ]


def _k_criteria(model: Model, champion: Model | None, settings: Settings) -> PromotionCriterion:
    choice = model.choice
    failed_criteria = next((evidence.failed_criteria for evidence in choice.evidence if evidence.k == choice.k), ())
    waiver = ""
    if champion is None:
        waiver = "there is no champion"
    elif champion.choice.confidence == "low":
        waiver = "the confidence of the champion is low"
    elif settings.k:
        waiver = "k is a setting"
    meaning = f"k criteria that k = {choice.k} fails: {'; '.join(failed_criteria) or 'none'}"
    result, waiver = _result(choice.confidence != "low", waiver)
    return PromotionCriterion("k_criteria", "absolute", len(failed_criteria), "at most", 0, result, meaning, waiver)


def _relative_criteria(
    comparison: ModelComparison | None, choice: KChoice, promotion_state: PromotionState, settings: Settings
) -> list[PromotionCriterion]:
    if comparison is None:
        raise ModelError("challenger_model: it was not compared with the champion; materialize it again.")
    before, after = comparison.champion_silhouette, comparison.challenger_silhouette
    if comparison.champion_k != comparison.challenger_k:
        before, after = comparison.champion_gain, comparison.challenger_gain
    loss = 0.0 if before is None else None if after is None else before - after
    evidence = _only_supported(comparison, choice)
    needed = promotion_state.approval_needed
    return [
        _better(comparison, evidence, promotion_state, settings),
        _at_most("silhouette", loss, settings.promote_silhouette_loss, "loss of silhouette", waiver=evidence),
        _at_least(
            "adjusted_rand", comparison.adjusted_rand, settings.promote_adjusted_rand, "agreement of the two models"
        ),
        _at_most(
            "moved_share", comparison.moved_share, settings.promote_moved_share, "share of users moved by the model"
        ),
        _at_most(
            "centroid_shift",
            comparison.centroid_shift,
            settings.promote_centroid_shift,
            "largest shift of a segment, in sd",
        ),
        PromotionCriterion(
            "same_segments",
            "relative",
            comparison.challenger_k,
            "exactly",
            comparison.champion_k,
            _result(comparison.survivors == comparison.champion_k == comparison.challenger_k)[0],
            f"number of segments; {comparison.survivors} of the champion's {comparison.champion_k} are kept",
        ),
        _recent_promotion(comparison, promotion_state, settings),
        PromotionCriterion(
            "no_approval_needed",
            "relative",
            None,
            "exactly",
            None,
            _result(not needed)[0],
            needed or "no rollback since the last promotion",
        ),
    ]


def _recent_promotion(
    comparison: ModelComparison, promotion_state: PromotionState, settings: Settings
) -> PromotionCriterion:
    runs, limit = promotion_state.runs_since_promotion + 1, settings.promote_min_runs
    waiver = "no user moves" if comparison.moved_share == 0 else _other_settings(promotion_state, settings)
    return _at_least("recent_promotion", runs, limit, "runs since the last promotion that moved users", waiver=waiver)


def _other_settings(promotion_state: PromotionState, settings: Settings) -> str:
    differ = promotion_state.champion_settings not in ("", settings.model_hash)
    return "the settings have changed" if differ else ""


def _only_supported(comparison: ModelComparison, choice: KChoice) -> str:
    """The reason why the challenger's k is supported and the champion's is not; empty if that is not so."""
    failures = {each.k: each.failed_criteria for each in choice.evidence}
    if failures.get(comparison.challenger_k) == () and failures.get(comparison.champion_k):
        return f"k = {comparison.challenger_k} passes every k criterion, k = {comparison.champion_k} does not"
    return ""


def _better(
    comparison: ModelComparison, evidence: str, promotion_state: PromotionState, settings: Settings
) -> PromotionCriterion:
    waiver = _other_settings(promotion_state, settings) or evidence
    if comparison.champion_k == comparison.challenger_k:
        gain = 1 - comparison.challenger_inertia / comparison.champion_inertia if comparison.champion_inertia else 0.0
        limit, measure = settings.promote_inertia_gain, "reduction of inertia"
    else:
        # More clusters always have less inertia.
        gain = (comparison.challenger_gain or 0.0) - (comparison.champion_gain or 0.0)
        limit, measure = settings.promote_silhouette_gain, "gain of silhouette, both against the null"
    return _at_least("better", gain, limit, measure, waiver=waiver)


def _at_least(name: str, value: float, limit: float, meaning: str, *, waiver: str = "") -> PromotionCriterion:
    result, waiver = _result(value >= limit, waiver)
    return PromotionCriterion(name, "relative", value, "at least", limit, result, meaning, waiver)


def _at_most(
    name: str,
    value: float | None,
    limit: float,
    meaning: str,
    *,
    kind: Literal["absolute", "relative"] = "relative",
    waiver: str = "",
) -> PromotionCriterion:
    result, waiver = _result(value is not None and value <= limit, waiver)
    return PromotionCriterion(name, kind, value, "at most", limit, result, meaning, waiver)


def _result(passed: bool, waiver: str = "") -> tuple[CriterionResult, str]:
    """The result, and the waiver if it applies."""
    if passed:
        return "passed", ""
    return ("waived", waiver) if waiver else ("failed", "")


def _version(model: Model | None) -> str:
    return model.version if model else ""
