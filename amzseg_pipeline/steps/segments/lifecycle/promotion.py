"""Whether a challenger takes the champion's place: every test with its figure, and the decision that follows."""

import math
from collections.abc import Sequence
from typing import Literal

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import (
    Challenger,
    Decision,
    Drift,
    ModelComparison,
    PromotionCriterion,
    PromotionReport,
    PromotionState,
)
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.lifecycle.promotion_state import pending_model


def promotion_report(
    champion: Model | None, challenger: Challenger, drift: Drift, promotion_state: PromotionState, settings: Settings
) -> PromotionReport:
    """PROMOTE, HOLD or REJECT with every figure behind it; KEEP where there is no challenger.

    A failed absolute test is REJECT, and so is what is neither better nor asked for by drift or other settings. What is
    better but fails another relative test is HOLD. Without a champion there are absolute tests only, and segments of
    low confidence are better than none. Raises ModelError where the first model cannot be published, or a challenger
    was not compared.
    """
    model = challenger.model
    if model is None:
        return PromotionReport("KEEP", challenger.reason, _version(champion), "", ())
    absolute = _absolute_tests(model, champion, settings)
    relative = [] if champion is None else _relative_tests(challenger.comparison, drift, promotion_state, settings)
    decision, reason = _decision(absolute, relative)
    if champion is None and decision == "REJECT":
        raise ModelError(f"challenger_model: {reason}, and there is no champion to publish in its place.")
    return PromotionReport(decision, reason, _version(champion), model.version, (*absolute, *relative))


def approved_report(version: str, champion: Model | None, promotion_state: PromotionState) -> PromotionReport:
    """The ledger of the pending model `version`, approved. Raises ModelError where it does not wait."""
    pending, waiting = promotion_state.pending, pending_model(promotion_state, champion)
    if pending is None or waiting is None or waiting.version != version:
        there = f"{waiting.version} does" if waiting else "none does"
        raise ModelError(
            f"approve: model {version} does not wait for approval, {there}; which one does stands in run.json of the "
            "last snapshot and in the metadata of promotion_gate."
        )
    reason = f"a person approved it; the gate had pending it: {pending.report.reason}"
    return PromotionReport("PROMOTE", reason, pending.report.champion, version, pending.report.criteria)


def _decision(absolute: Sequence[PromotionCriterion], relative: Sequence[PromotionCriterion]) -> tuple[Decision, str]:
    failed = [test.name for test in absolute if not test.passed]
    if failed:
        return "REJECT", f"it failed {', '.join(failed)}"
    missed = [test.name for test in relative if not test.passed]
    if not missed:
        return "PROMOTE", "it passed every test" if relative else "it is the first model"
    if "better" in missed:
        return "REJECT", "not better"
    return "HOLD", f"it is better, but failed {', '.join(missed)}"


def _absolute_tests(model: Model, champion: Model | None, settings: Settings) -> list[PromotionCriterion]:
    names = [segment.name for segment in model.segments]
    numbers = [number for segment in model.segments for number in (*segment.centroid, segment.outlier_distance)]
    not_finite = sum(not math.isfinite(number) for number in numbers)
    return [
        _k_gate(model, champion, settings),
        _at_most("finite", not_finite, 0, "numbers of the segments that are not finite", kind="absolute"),
        _at_most("unique_names", len(names) - len(set(names)), 0, "names that are borne twice", kind="absolute"),
    ]


def _k_gate(model: Model, champion: Model | None, settings: Settings) -> PromotionCriterion:
    choice = model.choice
    failed_criteria = next((evidence.failed_criteria for evidence in choice.evidence if evidence.k == choice.k), ())
    waiver = ""
    if champion is None:
        waiver = "there is no champion"
    elif champion.choice.confidence == "low":
        waiver = "the champion's own confidence is low"
    elif settings.k:
        waiver = "the settings name k"
    passed = choice.confidence == "high"
    meaning = f"tests of the gate of k that k = {choice.k} fails: {'; '.join(failed_criteria) or 'none'}"
    return PromotionCriterion(
        "k_criteria", "absolute", len(failed_criteria), 0, passed or bool(waiver), _waived(meaning, passed, waiver)
    )


def _relative_tests(
    comparison: ModelComparison | None, drift: Drift, promotion_state: PromotionState, settings: Settings
) -> list[PromotionCriterion]:
    if comparison is None:
        raise ModelError("challenger_model: it was not compared with the champion; materialise it again.")
    told = comparison
    before, after = told.champion_silhouette, told.challenger_silhouette
    loss = 0.0 if before is None else None if after is None else before - after
    rand, least_rand = told.adjusted_rand, settings.promote_adjusted_rand
    return [
        _better(told, drift, promotion_state, settings),
        _at_most("silhouette", loss, settings.promote_silhouette_loss, "what the silhouette loses, at most"),
        PromotionCriterion(
            "adjusted_rand", "relative", rand, least_rand, rand >= least_rand, "agreement of the two, at least"
        ),
        _at_most("moved_share", told.moved_share, settings.promote_moved_share, "users the model alone moves, at most"),
        _at_most("centroid_shift", told.centroid_shift, settings.promote_centroid_shift, "sd a segment moves, at most"),
        PromotionCriterion(
            "same_segments",
            "relative",
            told.challenger_k,
            told.champion_k,
            told.survivors == told.champion_k == told.challenger_k,
            f"number of segments, the same as before; {told.survivors} live on",
        ),
        PromotionCriterion(
            "unattended",
            "relative",
            None,
            0,
            not promotion_state.approval_needed,
            promotion_state.approval_needed or "allowed",
        ),
    ]


def _better(
    told: ModelComparison, drift: Drift, promotion_state: PromotionState, settings: Settings
) -> PromotionCriterion:
    gain = 1 - told.challenger_inertia / told.champion_inertia if told.champion_inertia else 0.0
    waiver = ""
    if drift.triggers:
        waiver = f"drift: {'; '.join(drift.triggers)}"
    elif promotion_state.challenger_settings != settings.model_hash:
        waiver = "other settings"
    passed = gain >= settings.promote_inertia_gain
    meaning = _waived("part by which inertia is lower, at least", passed, waiver)
    return PromotionCriterion(
        "better", "relative", gain, settings.promote_inertia_gain, passed or bool(waiver), meaning
    )


def _at_most(
    name: str,
    value: float | None,
    limit: float,
    meaning: str,
    *,
    kind: Literal["absolute", "relative"] = "relative",
) -> PromotionCriterion:
    return PromotionCriterion(name, kind, value, limit, value is not None and value <= limit, meaning)


def _waived(meaning: str, passed: bool, waiver: str) -> str:
    return f"{meaning}; waived, for {waiver}" if waiver and not passed else meaning


def _version(model: Model | None) -> str:
    return model.version if model else ""
