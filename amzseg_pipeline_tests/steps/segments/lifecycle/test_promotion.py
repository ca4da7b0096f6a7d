"""The promotion gate: each criterion at its limit, and what becomes of a pending model.

Over 250 lines: every decision of the gate, from the same two models.
"""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import KEvidence, Model, TrainingReference
from amzseg_pipeline.contracts.promotion import (
    Challenger,
    Drift,
    ModelComparison,
    PendingModel,
    PromotionReport,
    PromotionState,
)
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import approved_report, promotion_report, promotion_state_after, serving_model
from amzseg_pipeline_tests.steps.segments.users import untrained_model

CHAMPION, CHALLENGER = (replace(untrained_model(), version=version) for version in ("champion", "challenger"))
SETTINGS = Settings()
STATE = PromotionState(
    challenger_trained_at="2024-01-01T02:00:00+00:00",
    challenger_settings=SETTINGS.model_hash,
    runs_since_promotion=6,
    champion_settings=SETTINGS.model_hash,
)
NO_DRIFT = Drift("champion", 200, (), (), (), "")
DRIFT = replace(NO_DRIFT, triggers=("PSI of avg_spend is 0.90 (limit 0.10)",))

BETTER = ModelComparison(
    champion_inertia=100.0,
    challenger_inertia=99.0,
    champion_silhouette=0.30,
    challenger_silhouette=0.285,
    adjusted_rand=0.80,
    moved_share=0.10,
    centroid_shift=0.5,
    survivors=3,
    champion_k=3,
    challenger_k=3,
)
"""Better, and at the limit of every other criterion."""


def with_confidence(model: Model, confidence: str) -> Model:
    return replace(model, choice=replace(model.choice, confidence=confidence))


HIGH = with_confidence(CHALLENGER, "high")
CERTAIN_CHAMPION = with_confidence(CHAMPION, "high")


NOW = datetime(2024, 1, 8, 2, tzinfo=UTC)


WORSE = replace(BETTER, challenger_inertia=99.5)


def report(
    comparison: ModelComparison | None = BETTER,
    *,
    model: Model | None = HIGH,
    champion: Model | None = CERTAIN_CHAMPION,
    drift: Drift = NO_DRIFT,
    promotion_state: PromotionState = STATE,
    settings: Settings = SETTINGS,
) -> PromotionReport:
    challenger = Challenger("weekly", model, "warm", comparison)
    return promotion_report(champion, challenger, drift, promotion_state, settings, now=NOW)


def failed(found: PromotionReport) -> set[str]:
    return {criterion.name for criterion in found.criteria if criterion.result == "failed"}


def test_better_and_within_every_limit_is_promoted() -> None:
    found = report()
    assert (found.decision, failed(found)) == ("PROMOTE", set())
    assert (found.champion_version, found.challenger_version) == ("champion", "challenger")
    assert {criterion.name: criterion.kind for criterion in found.criteria} == {
        **dict.fromkeys(("k_criteria", "finite", "unique_names"), "absolute"),
        **dict.fromkeys(("better", "silhouette", "adjusted_rand", "moved_share"), "relative"),
        **dict.fromkeys(("centroid_shift", "same_segments", "recent_promotion", "no_approval_needed"), "relative"),
    }


BEYOND = {
    "silhouette": {"challenger_silhouette": 0.279},
    "adjusted_rand": {"adjusted_rand": 0.799},
    "moved_share": {"moved_share": 0.101},
    "centroid_shift": {"centroid_shift": 0.501},
    "same_segments": {"challenger_k": 4, "champion_gain": 0.1, "challenger_gain": 0.13},
}


@pytest.mark.parametrize("name", BEYOND)
def test_better_but_beyond_a_limit_needs_approval(name: str) -> None:
    found = report(replace(BETTER, **BEYOND[name]))
    assert (found.decision, failed(found)) == ("HOLD", {name})
    assert name in found.reason


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"challenger_silhouette": None}, "silhouette"),
        ({"centroid_shift": None, "survivors": 0}, "centroid_shift"),
        ({"survivors": 2}, "same_segments"),
        ({"champion_k": 4, "survivors": 3, "champion_gain": 0.1, "challenger_gain": 0.13}, "same_segments"),
    ],
    ids=["undefined silhouette", "no survivors", "one died and one was born", "two merged"],
)
def test_unmeasurable_or_lost_segments_need_approval(change: dict[str, Any], name: str) -> None:
    found = report(replace(BETTER, **change))
    assert found.decision == "HOLD"
    assert name in failed(found)


def test_a_champion_without_a_silhouette_has_none_to_lose() -> None:
    assert report(replace(BETTER, champion_silhouette=None, challenger_silhouette=None)).decision == "PROMOTE"


@pytest.mark.parametrize("also", [{}, *BEYOND.values()], ids=["nothing else", *BEYOND])
def test_a_model_that_is_not_better_is_rejected(also: dict[str, Any]) -> None:
    found = report(replace(BETTER, **{"challenger_inertia": 99.01, **also, "challenger_gain": 0.1}))
    assert (found.decision, found.reason) == ("REJECT", "not better")


def test_changed_settings_waive_better() -> None:
    worse, other = replace(BETTER, challenger_inertia=130.0), replace(STATE, champion_settings="another")
    assert report(worse, promotion_state=other).decision == "PROMOTE"
    on_hold = report(replace(worse, moved_share=0.5), promotion_state=other)
    assert (on_hold.decision, on_hold.reason) == ("HOLD", "the settings have changed, but it failed moved_share")
    better = next(criterion for criterion in on_hold.criteria if criterion.name == "better")
    assert (better.result, better.waiver) == ("waived", "the settings have changed")


@pytest.mark.parametrize("name", ["recent_promotion", "better", "silhouette", "k_criteria"])
def test_a_criterion_that_is_met_is_not_waived(name: str) -> None:
    found = report(promotion_state=replace(STATE, champion_settings="another"), settings=Settings(k=3))
    (criterion,) = (each for each in found.criteria if each.name == name)
    assert (criterion.result, criterion.waiver) == ("passed", "")


@pytest.mark.parametrize("model", [HIGH, with_confidence(CHALLENGER, "low")], ids=["high", "low"])
def test_a_champion_that_fits_as_well_is_kept_under_drift_and_measured_again(model: Model) -> None:
    worse = replace(BETTER, challenger_inertia=99.5, moved_share=0.3)
    assert report(worse, model=model, drift=DRIFT).decision == "REJECT"
    found = report(worse, model=model, drift=DRIFT, promotion_state=PERSISTENT)
    assert found.decision == "KEEP"
    assert "fits the users no better" in found.reason
    reference = TrainingReference(200, (), (100, 50, 50), 1.0, 0.5, 1, ())
    trained = Challenger("drift", model, "warm", worse, reference)
    assert serving_model(found, trained, CERTAIN_CHAMPION, PERSISTENT) == replace(CERTAIN_CHAMPION, reference=reference)
    assert serving_model(report(worse), trained, CERTAIN_CHAMPION, PERSISTENT) == CERTAIN_CHAMPION


def test_users_do_not_move_twice_in_a_few_runs() -> None:
    recent = replace(STATE, runs_since_promotion=5)
    assert (report(promotion_state=recent).decision, failed(report(promotion_state=recent))) == (
        "HOLD",
        {"recent_promotion"},
    )
    assert report(replace(BETTER, moved_share=0.0), promotion_state=recent).decision == "PROMOTE"
    assert report(promotion_state=replace(recent, champion_settings="another")).decision == "PROMOTE"


def test_an_inertia_of_zero_cannot_be_improved() -> None:
    assert report(replace(BETTER, champion_inertia=0.0, challenger_inertia=0.0)).reason == "not better"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (with_confidence(CHALLENGER, "low"), "k_criteria"),
        (replace(HIGH, segments=(replace(HIGH.segments[0], centroid=(math.nan,)), *HIGH.segments[1:])), "finite"),
        (
            replace(HIGH, segments=(HIGH.segments[0], replace(HIGH.segments[1], name=HIGH.segments[0].name))),
            "unique_names",
        ),
    ],
    ids=["no k passes", "not a number", "a duplicate name"],
)
def test_a_failed_absolute_criterion_is_rejected(model: Model, name: str) -> None:
    found = report(model=model)
    assert (found.decision, failed(found)) == ("REJECT", {name})
    assert report(model=model, drift=DRIFT).decision == ("HOLD" if name == "k_criteria" else "REJECT")


SEVERAL = replace(
    BETTER,
    moved_share=0.6,
    adjusted_rand=0.3,
    centroid_shift=2.0,
    survivors=2,
    challenger_k=4,
    champion_gain=0.1,
    challenger_gain=0.13,
)
PERSISTENT = replace(STATE, drift_since="2024-01-06T02:00:00+00:00", drift_runs=2)


@pytest.mark.parametrize(
    ("state", "settings", "model", "decision"),
    [
        (PERSISTENT, SETTINGS, HIGH, "PROMOTE"),
        (PERSISTENT, Settings(promotion="approve"), HIGH, "HOLD"),
        (replace(PERSISTENT, drift_runs=1), SETTINGS, HIGH, "HOLD"),
        (replace(PERSISTENT, drift_runs=1, drift_since="2024-01-01T02:00:00+00:00"), SETTINGS, HIGH, "PROMOTE"),
        (replace(PERSISTENT, runs_since_promotion=5), SETTINGS, HIGH, "HOLD"),
        (replace(PERSISTENT, approval_needed="rolled back"), SETTINGS, HIGH, "HOLD"),
        (PERSISTENT, SETTINGS, with_confidence(CHALLENGER, "low"), "HOLD"),
        (
            replace(PERSISTENT, drift_since="2024-01-01T02:00:00+00:00"),
            SETTINGS,
            with_confidence(CHALLENGER, "low"),
            "PROMOTE",
        ),
        (PERSISTENT, SETTINGS, with_confidence(CHALLENGER, "medium"), "PROMOTE"),
    ],
    ids=[
        "persistent",
        "approve",
        "two runs",
        "seven days",
        "too soon",
        "rolled back",
        "low",
        "low, seven days",
        "medium",
    ],
)
def test_persistent_drift_adopts_a_challenger_with_other_segments(state, settings, model, decision) -> None:
    state = replace(state, champion_settings=settings.model_hash)
    found = report(SEVERAL, model=model, drift=DRIFT, promotion_state=state, settings=settings)
    assert found.decision == decision, found.reason
    assert ("drift persists (" in found.reason) == (decision == "PROMOTE")
    assert report(SEVERAL, model=model, promotion_state=state, settings=settings).decision != "PROMOTE"


def test_a_better_model_that_is_pending_for_long_is_adopted() -> None:
    state = replace(pending(), runs_since_promotion=20)
    assert report(SEVERAL, promotion_state=state).decision == "HOLD"
    week = replace(state, pending=replace(state.pending, better_since="2024-01-01T02:00:00+00:00"))
    found = report(SEVERAL, promotion_state=week)
    assert found.decision == "PROMOTE"
    assert found.reason.startswith("a model has been pending since 2024-01-01, which waives adjusted_rand")
    assert report(replace(SEVERAL, challenger_gain=0.11), promotion_state=week).decision == "REJECT"
    assert report(SEVERAL, promotion_state=replace(week, runs_since_promotion=3)).decision == "HOLD"
    other = replace(CERTAIN_CHAMPION, version="a later one")
    assert report(SEVERAL, champion=other, promotion_state=week).decision == "HOLD"


def test_persistent_drift_does_not_adopt_worse_separated_segments() -> None:
    worse = replace(SEVERAL, champion_gain=0.3, challenger_gain=0.2)
    assert report(worse, drift=DRIFT, promotion_state=PERSISTENT).decision == "KEEP"


def test_the_only_supported_number_of_segments_is_better() -> None:
    worse = replace(SEVERAL, champion_gain=0.3, challenger_gain=0.2)
    evidence = tuple(
        KEvidence(k, 1.0, (), 0.1, None, None, None, None, None, failed_criteria)
        for k, failed_criteria in ((3, ("separation 0.000 is below 0.3",)), (4, ()))
    )
    supported = replace(HIGH, choice=replace(HIGH.choice, k=4, evidence=evidence))
    found = report(worse, model=supported, drift=DRIFT, promotion_state=PERSISTENT)
    assert found.decision == "PROMOTE"
    waivers = {criterion.name: criterion.waiver for criterion in found.criteria if criterion.result == "waived"}
    assert waivers == dict.fromkeys(("better", "silhouette"), "k = 4 passes every k criterion, k = 3 does not")


def test_models_with_different_k_are_compared_by_silhouettes_against_the_null() -> None:
    fewer = replace(BETTER, challenger_k=2, survivors=2, challenger_inertia=150.0, champion_gain=0.1)
    assert report(replace(fewer, challenger_gain=0.13)).decision == "HOLD"
    more = replace(BETTER, challenger_k=4, challenger_inertia=50.0, champion_gain=0.1)
    assert report(replace(more, challenger_gain=0.11)).reason == "not better"


def test_a_challenger_that_equals_the_champion_is_kept() -> None:
    found = report(model=CERTAIN_CHAMPION)
    assert (found.decision, found.reason) == ("KEEP", "the challenger equals the champion")
    assert serving_model(found, Challenger("weekly", CERTAIN_CHAMPION, "warm", BETTER), CERTAIN_CHAMPION, STATE)


def test_drift_is_counted_until_it_ends_or_a_model_is_promoted() -> None:
    kept, state = report(None, model=None), STATE
    for days in (0, 1):
        later = NOW + timedelta(days=days)
        state = promotion_state_after(state, kept, NOT_TRAINED, SETTINGS, drift=DRIFT, now=later)
    assert (state.drift_runs, state.drift_since) == (2, NOW.isoformat())
    ended = promotion_state_after(state, kept, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert (ended.drift_runs, ended.drift_since, ended.runs_since_promotion) == (0, "", 9)
    trained = Challenger("weekly", HIGH, "warm", BETTER)
    promoted = promotion_state_after(state, report(), trained, SETTINGS, drift=DRIFT, now=NOW)
    assert (promoted.drift_runs, promoted.runs_since_promotion) == (0, 0)


@pytest.mark.parametrize(
    ("comparison", "model", "state"),
    [(WORSE, HIGH, PERSISTENT), (BETTER, CERTAIN_CHAMPION, PERSISTENT)],
    ids=["not better", "the same model"],
)
def test_drift_is_counted_anew_from_a_champion_that_was_measured_again(comparison, model, state) -> None:
    trained = Challenger("drift", model, "warm", comparison, TrainingReference(200, (), (100, 50, 50), 1.0, 0.5, 1, ()))
    kept = promotion_report(CERTAIN_CHAMPION, trained, DRIFT, state, SETTINGS, now=NOW)
    assert kept.decision == "KEEP"
    after = promotion_state_after(state, kept, trained, SETTINGS, drift=DRIFT, now=NOW)
    assert (after.drift_since, after.drift_runs) == ("", 0)
    rejected = promotion_report(CERTAIN_CHAMPION, trained, DRIFT, replace(state, drift_runs=0), SETTINGS, now=NOW)
    if rejected.decision == "REJECT":
        after = promotion_state_after(state, rejected, trained, SETTINGS, drift=DRIFT, now=NOW)
        assert (after.drift_since, after.drift_runs) == (state.drift_since, 3)


@pytest.mark.parametrize(("share", "runs"), [(0.01, 0), (0.0, 7)])
def test_only_promotions_that_move_users_make_the_next_one_wait(share: float, runs: int) -> None:
    trained = Challenger("weekly", HIGH, "warm", replace(BETTER, moved_share=share, adjusted_rand=0.5))
    found = promotion_report(CERTAIN_CHAMPION, trained, NO_DRIFT, STATE, Settings(promote_adjusted_rand=0), now=NOW)
    after = promotion_state_after(STATE, found, trained, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert (found.decision, after.runs_since_promotion) == ("PROMOTE", runs)
    on_hold = promotion_report(CERTAIN_CHAMPION, trained, NO_DRIFT, STATE, SETTINGS, now=NOW)
    waiting = promotion_state_after(STATE, on_hold, trained, SETTINGS, drift=NO_DRIFT, now=NOW)
    approved = approved_report("challenger", CERTAIN_CHAMPION, waiting)
    after = promotion_state_after(waiting, approved, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert after.runs_since_promotion == (runs and runs + 1)


def test_other_settings_count_until_a_model_made_with_them_is_adopted() -> None:
    five = Settings(k=5)
    other = Challenger("settings", HIGH, "cold", replace(SEVERAL, challenger_gain=0.0))
    on_hold = promotion_report(CERTAIN_CHAMPION, other, NO_DRIFT, STATE, five, now=NOW)
    assert failed(on_hold) == {"silhouette", "adjusted_rand", "moved_share", "centroid_shift", "same_segments"}
    state = promotion_state_after(STATE, on_hold, other, five, drift=NO_DRIFT, now=NOW)
    later = promotion_report(CERTAIN_CHAMPION, other, NO_DRIFT, state, five, now=NOW + timedelta(days=1))
    assert (later.decision, failed(later)) == ("HOLD", failed(on_hold))
    assert (state.champion_settings, state.challenger_settings) == (SETTINGS.model_hash, five.model_hash)
    approved = approved_report("challenger", CERTAIN_CHAMPION, state)
    after = promotion_state_after(state, approved, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert after.champion_settings == five.model_hash
    trained = Challenger("weekly", HIGH, "warm", BETTER)
    promoted = promotion_state_after(STATE, report(), trained, five, drift=NO_DRIFT, now=NOW)
    assert promoted.champion_settings == five.model_hash
    same = Challenger("weekly", CERTAIN_CHAMPION, "warm", BETTER)
    kept = promotion_state_after(STATE, report(model=CERTAIN_CHAMPION), same, five, drift=NO_DRIFT, now=NOW)
    assert kept.champion_settings == five.model_hash


def test_a_champion_whose_settings_are_unknown_was_made_with_those_of_the_run() -> None:
    unknown = replace(STATE, champion_settings="")
    assert report(replace(BETTER, challenger_inertia=130.0), promotion_state=unknown).decision == "REJECT"


@pytest.mark.parametrize(
    ("state", "model", "comparison", "restarts"),
    [
        (STATE, HIGH, "worse", True),
        ("persistent", HIGH, "worse", True),
        (STATE, CERTAIN_CHAMPION, "better", True),
        (STATE, with_confidence(CHALLENGER, "low"), "better", False),
        (STATE, None, "better", False),
    ],
    ids=["rejected", "kept under drift", "the same model", "another criterion failed", "none trained"],
)
def test_a_challenger_that_is_not_better_restarts_the_week(state, model, comparison, restarts: bool) -> None:
    waiting = replace(pending(), drift_since=NOW.isoformat(), drift_runs=2 if state == "persistent" else 0)
    between = Challenger("weekly", model, "warm", BETTER if comparison == "better" else WORSE)
    drift = DRIFT if state == "persistent" else NO_DRIFT
    found = promotion_report(CERTAIN_CHAMPION, between, drift, waiting, SETTINGS, now=NOW)
    assert found.decision in {"REJECT", "KEEP"}
    after = promotion_state_after(waiting, found, between, SETTINGS, drift=drift, now=NOW)
    assert after.pending.since == NOW.isoformat()
    on_hold = Challenger("weekly", HIGH, "warm", replace(BETTER, moved_share=0.5))
    next_week = NOW + timedelta(days=7)
    found = promotion_report(CERTAIN_CHAMPION, on_hold, NO_DRIFT, after, SETTINGS, now=next_week)
    assert found.decision == ("HOLD" if restarts else "PROMOTE")
    if restarts:
        after = promotion_state_after(after, found, on_hold, SETTINGS, drift=NO_DRIFT, now=next_week)
        assert (after.pending.since, after.pending.better_since) == (NOW.isoformat(), next_week.isoformat())


def test_the_model_after_the_first_need_not_wait() -> None:
    first = report(None, champion=None, promotion_state=PromotionState())
    trained = Challenger("there is no champion yet", HIGH, "cold", None)
    state = promotion_state_after(PromotionState(), first, trained, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert report(promotion_state=state).decision == "PROMOTE"


def test_an_unanswered_pending_model_keeps_its_age() -> None:
    newer = Challenger("weekly", replace(HIGH, version="newer"), "warm", replace(BETTER, moved_share=0.5))
    later = NOW + timedelta(days=3)
    found = promotion_report(CERTAIN_CHAMPION, newer, NO_DRIFT, pending(), SETTINGS, now=later)
    state = promotion_state_after(pending(), found, newer, SETTINGS, drift=NO_DRIFT, now=later)
    assert (state.pending.model.version, state.pending.since) == ("newer", NOW.isoformat())


def test_low_confidence_is_accepted_for_a_set_k_or_an_uncertain_champion() -> None:
    low = with_confidence(CHALLENGER, "low")
    assert report(model=low, champion=with_confidence(CHAMPION, "low")).decision == "PROMOTE"
    set_k = Settings(k=3)
    promotion_state = replace(STATE, champion_settings=set_k.model_hash)
    assert report(model=low, settings=set_k, promotion_state=promotion_state).decision == "PROMOTE"


def test_the_first_model_is_promoted_even_with_low_confidence() -> None:
    first = report(None, model=with_confidence(CHALLENGER, "low"), champion=None, promotion_state=PromotionState())
    assert (first.decision, first.champion_version) == ("PROMOTE", "")
    assert {criterion.kind for criterion in first.criteria} == {"absolute"}


def test_a_first_model_that_cannot_be_published_is_an_error() -> None:
    broken = replace(HIGH, segments=(replace(HIGH.segments[0], outlier_distance=math.inf),))
    with pytest.raises(ModelError, match="failed finite, and there is no champion"):
        report(None, model=broken, champion=None)


def test_without_a_challenger_the_champion_stays() -> None:
    found = report(None, model=None)
    assert (found.decision, found.reason, found.challenger_version, found.criteria) == ("KEEP", "weekly", "", ())


def test_a_challenger_that_was_not_compared_is_an_error() -> None:
    with pytest.raises(ModelError, match="not compared"):
        report(None)


PROMISE = "an operator rolled back from snapshot 5 to 3"


def test_after_a_rollback_a_promotion_needs_approval() -> None:
    found = report(promotion_state=replace(STATE, approval_needed=PROMISE))
    assert (found.decision, failed(found)) == ("HOLD", {"no_approval_needed"})
    assert PROMISE in {criterion.meaning for criterion in found.criteria}


def pending(model: Model = HIGH) -> PromotionState:
    """The promotion state of a run in which `model` became pending."""
    challenger = Challenger("weekly", model, "warm", replace(BETTER, moved_share=0.5))
    found = promotion_report(CERTAIN_CHAMPION, challenger, NO_DRIFT, STATE, SETTINGS, now=NOW)
    return promotion_state_after(STATE, found, challenger, SETTINGS, drift=NO_DRIFT, now=NOW)


NOT_TRAINED = Challenger("not due", None, "", None)


def test_a_pending_model_is_kept_until_it_is_approved() -> None:
    promotion_state = pending()
    assert promotion_state.pending == PendingModel(
        HIGH, promotion_state.pending.report, NOW.isoformat(), NOW.isoformat(), SETTINGS.model_hash
    )
    quiet = promotion_report(CERTAIN_CHAMPION, NOT_TRAINED, NO_DRIFT, promotion_state, SETTINGS, now=NOW)
    later = promotion_state_after(promotion_state, quiet, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert later == replace(promotion_state, runs_since_promotion=8)
    assert serving_model(quiet, NOT_TRAINED, CERTAIN_CHAMPION, promotion_state) == CERTAIN_CHAMPION
    approved = approved_report("challenger", CERTAIN_CHAMPION, later)
    assert (approved.decision, approved.challenger_version) == ("PROMOTE", "challenger")
    assert "approved; it was pending" in approved.reason
    assert serving_model(approved, NOT_TRAINED, CERTAIN_CHAMPION, later) == HIGH
    assert promotion_state_after(later, approved, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW).pending is None


def test_only_the_newest_pending_model_is_kept() -> None:
    newer = replace(HIGH, version="newer")
    challenger = Challenger("weekly", newer, "warm", replace(BETTER, moved_share=0.5))
    found = promotion_report(CERTAIN_CHAMPION, challenger, NO_DRIFT, pending(), SETTINGS, now=NOW)
    assert promotion_state_after(pending(), found, challenger, SETTINGS, drift=NO_DRIFT, now=NOW).pending.model == newer


def test_a_rejected_challenger_keeps_the_pending_one() -> None:
    challenger = Challenger("weekly", replace(HIGH, version="worse"), "warm", replace(BETTER, challenger_inertia=101.0))
    found = promotion_report(CERTAIN_CHAMPION, challenger, NO_DRIFT, pending(), SETTINGS, now=NOW)
    assert found.decision == "REJECT"
    after = promotion_state_after(pending(), found, challenger, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert after.pending == replace(pending().pending, better_since="")


def test_a_promotion_clears_pending_and_approval_needed() -> None:
    promotion_state = replace(pending(), approval_needed=PROMISE)
    approved = approved_report("challenger", CERTAIN_CHAMPION, promotion_state)
    after = promotion_state_after(promotion_state, approved, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW)
    assert (after.pending, after.approval_needed) == (None, "")


@pytest.mark.parametrize(
    ("version", "champion", "promotion_state"),
    [
        ("another", CERTAIN_CHAMPION, pending()),
        ("challenger", replace(CERTAIN_CHAMPION, version="a later one"), pending()),
        ("challenger", CERTAIN_CHAMPION, STATE),
        ("challenger", None, PromotionState()),
    ],
    ids=["another version", "for an earlier champion", "none is pending", "first run"],
)
def test_only_a_pending_model_can_be_approved(
    version: str, champion: Model | None, promotion_state: PromotionState
) -> None:
    with pytest.raises(ModelError, match=f"model {version} is not pending"):
        approved_report(version, champion, promotion_state)


def test_a_model_pending_for_another_champion_is_dropped() -> None:
    other = replace(CERTAIN_CHAMPION, version="a later one")
    quiet = promotion_report(other, NOT_TRAINED, NO_DRIFT, pending(), SETTINGS, now=NOW)
    assert promotion_state_after(pending(), quiet, NOT_TRAINED, SETTINGS, drift=NO_DRIFT, now=NOW).pending is None


def test_a_decision_of_another_run_is_refused() -> None:
    promoted = report()
    with pytest.raises(ModelError, match="belongs to another run"):
        serving_model(promoted, NOT_TRAINED, CERTAIN_CHAMPION, STATE)
