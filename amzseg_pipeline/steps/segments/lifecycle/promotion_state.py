"""State carried to the next run: the pending model, and when the last challenger was trained."""

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, PendingModel, PromotionReport, PromotionState
from amzseg_pipeline.contracts.settings import Settings


def promotion_state_after(
    before: PromotionState, report: PromotionReport, challenger: Challenger, settings: Settings
) -> PromotionState:
    """The state for the next run: it keeps the newest pending model, as long as its champion stays."""
    model = challenger.model
    pending = before.pending
    if report.decision == "HOLD" and model is not None:
        pending = PendingModel(model, report)
    elif report.decision == "PROMOTE" or (pending is not None and pending.report.champion != report.champion):
        pending = None
    return PromotionState(
        pending=pending,
        challenger_trained_at=before.challenger_trained_at if model is None else model.trained_at,
        challenger_settings=before.challenger_settings if model is None else settings.model_hash,
        # If approval is needed, only an approval promotes, which ends the need.
        approval_needed="" if report.decision == "PROMOTE" else before.approval_needed,
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
