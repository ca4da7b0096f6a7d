"""What one night leaves for the next, beside its model: a challenger that waits, and when the last was trained."""

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, PendingModel, PromotionReport, PromotionState
from amzseg_pipeline.contracts.settings import Settings


def promotion_state_after(
    before: PromotionState, report: PromotionReport, challenger: Challenger, settings: Settings
) -> PromotionState:
    """What the next night must know. Only the newest pending model is kept, and only while its champion is champion."""
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
        # Where a person is needed the gate promotes nothing by itself: a promotion is a person's.
        approval_needed="" if report.decision == "PROMOTE" else before.approval_needed,
    )


def serving_model(
    report: PromotionReport, challenger: Challenger, champion: Model | None, promotion_state: PromotionState
) -> Model:
    """The model that the gate's decision leaves to score tonight. Raises ModelError where there is none."""
    if report.decision != "PROMOTE":
        model = champion
    elif challenger.model is not None:
        model = challenger.model
    else:
        model = pending_model(promotion_state, champion)
    if model is None or (report.decision == "PROMOTE" and model.version != report.challenger):
        raise ModelError("promotion_gate: what it decided is not of this night; run the job segment_users as a whole.")
    return model


def pending_model(promotion_state: PromotionState, champion: Model | None) -> Model | None:
    """The pending model, if it may still take this champion's place."""
    pending = promotion_state.pending
    return pending.model if pending and champion and pending.report.champion == champion.version else None
