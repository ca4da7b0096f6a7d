"""State carried to the next run: the pending model, and when the last challenger was trained."""

from dataclasses import replace
from datetime import datetime

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PendingModel, PromotionReport, PromotionState
from amzseg_pipeline.contracts.settings import Settings


def promotion_state_after(
    before: PromotionState,
    report: PromotionReport,
    challenger: Challenger,
    settings: Settings,
    *,
    drift: Drift,
    now: datetime,
) -> PromotionState:
    """The state for the next run: it keeps the newest pending model, as long as its champion stays.

    Args:
        before: The state that the previous run left.
        report: The decision of this run.
        challenger: The challenger of this run.
        settings: Settings of the run.
        drift: Drift measured in this run.
        now: Time of the run.
    """
    model = challenger.model
    pending = before.pending
    if report.decision == "HOLD" and model is not None:
        since = pending.since if pending and pending.report.champion == report.champion else ""
        pending = PendingModel(model, report, since or now.isoformat(timespec="seconds"))
    elif report.decision == "PROMOTE" or (pending is not None and pending.report.champion != report.champion):
        pending = None
    drifts = bool(drift.triggers) and report.decision != "PROMOTE"
    # The first model moves nobody, so that the next one need not wait.
    after_promotion = 0 if report.champion else settings.promote_min_runs
    return PromotionState(
        pending=pending,
        challenger_trained_at=before.challenger_trained_at if model is None else model.trained_at,
        challenger_settings=before.challenger_settings if model is None else settings.model_hash,
        # If approval is needed, only an approval promotes, which ends the need.
        approval_needed="" if report.decision == "PROMOTE" else before.approval_needed,
        drift_since=(before.drift_since or now.isoformat(timespec="seconds")) if drifts else "",
        drift_runs=before.drift_runs + 1 if drifts else 0,
        runs_since_promotion=after_promotion if report.decision == "PROMOTE" else before.runs_since_promotion + 1,
    )


def serving_model(
    report: PromotionReport, challenger: Challenger, champion: Model | None, promotion_state: PromotionState
) -> Model:
    """The model that scores this run, by the promotion decision.

    A champion that was compared and kept gets a new reference for drift. Raises ModelError if the model is missing.
    """
    model = champion
    if report.decision == "PROMOTE":
        model = challenger.model or pending_model(promotion_state, champion)
    elif report.decision == "KEEP" and champion is not None and challenger.champion_reference is not None:
        model = replace(champion, reference=challenger.champion_reference)
    if model is None or (report.decision == "PROMOTE" and model.version != report.challenger):
        raise ModelError("promotion_gate: its decision belongs to another run; run all of the job segment_users.")
    return model


def pending_model(promotion_state: PromotionState, champion: Model | None) -> Model | None:
    """The pending model, if it was compared with this champion."""
    pending = promotion_state.pending
    return pending.model if pending and champion and pending.report.champion == champion.version else None


def drift_persists(promotion_state: PromotionState, drift: Drift, settings: Settings, *, now: datetime) -> bool:
    """Whether drift has lasted `drift_persist_runs` runs, this one included, or `drift_persist_days` days."""
    if not drift.triggers:
        return False
    lasts_days = drift_days(promotion_state, now=now) >= settings.drift_persist_days
    return promotion_state.drift_runs + 1 >= settings.drift_persist_runs or lasts_days


def drift_days(promotion_state: PromotionState, *, now: datetime) -> float:
    """Days since drift began; 0 if it begins in this run."""
    return _days_since(promotion_state.drift_since, now=now)


def pending_days(pending: PendingModel, *, now: datetime) -> float:
    """Days since a model is pending."""
    return _days_since(pending.since, now=now)


def _days_since(time: str, *, now: datetime) -> float:
    return (now - datetime.fromisoformat(time)).total_seconds() / 86_400 if time else 0.0
