"""State carried to the next run: the pending model, and when the last challenger was trained."""

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
    return PromotionState(
        pending=pending,
        challenger_trained_at=before.challenger_trained_at if model is None else model.trained_at,
        challenger_settings=before.challenger_settings if model is None else settings.model_hash,
        # If approval is needed, only an approval promotes, which ends the need.
        approval_needed="" if report.decision == "PROMOTE" else before.approval_needed,
        drift_since=(before.drift_since or now.isoformat(timespec="seconds")) if drifts else "",
        drift_runs=before.drift_runs + 1 if drifts else 0,
        runs_since_promotion=0 if report.decision == "PROMOTE" else before.runs_since_promotion + 1,
    )


def serving_model(
    report: PromotionReport, challenger: Challenger, champion: Model | None, promotion_state: PromotionState
) -> Model:
    """The model that scores this run, by the promotion decision. Raises ModelError if it is missing."""
    if report.decision != "PROMOTE":
        model = champion
    elif challenger.model is not None:
        model = challenger.model
    else:
        model = pending_model(promotion_state, champion)
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
    since = datetime.fromisoformat(promotion_state.drift_since) if promotion_state.drift_since else now
    days = (now - since).total_seconds() / 86_400
    return promotion_state.drift_runs + 1 >= settings.drift_persist_runs or days >= settings.drift_persist_days
