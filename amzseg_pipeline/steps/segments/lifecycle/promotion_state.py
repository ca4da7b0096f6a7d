"""What one night leaves for the next, beside its model: a challenger that waits, and when the last was trained."""

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, GateLedger, HeldModel, NightMemory
from amzseg_pipeline.contracts.settings import Settings


def memory_after(before: NightMemory, ledger: GateLedger, challenger: Challenger, settings: Settings) -> NightMemory:
    """What the next night must know. Only the newest held model is kept, and only while its champion is champion."""
    model = challenger.model
    held = before.held
    if ledger.decision == "HOLD" and model is not None:
        held = HeldModel(model, ledger)
    elif ledger.decision == "PROMOTE" or (held is not None and held.ledger.champion != ledger.champion):
        held = None
    return NightMemory(
        held=held,
        challenger_trained_at=before.challenger_trained_at if model is None else model.trained_at,
        challenger_settings=before.challenger_settings if model is None else settings.model_hash,
        # Where a person is needed the gate promotes nothing by itself: a promotion is a person's.
        approval_needed="" if ledger.decision == "PROMOTE" else before.approval_needed,
    )


def model_of_the_night(
    ledger: GateLedger, challenger: Challenger, champion: Model | None, memory: NightMemory
) -> Model:
    """The model that the gate's decision leaves to score tonight. Raises ModelError where there is none."""
    if ledger.decision != "PROMOTE":
        model = champion
    elif challenger.model is not None:
        model = challenger.model
    else:
        model = waiting_model(memory, champion)
    if model is None or (ledger.decision == "PROMOTE" and model.version != ledger.challenger):
        raise ModelError("promotion_gate: what it decided is not of this night; run the job segment_users as a whole.")
    return model


def waiting_model(memory: NightMemory, champion: Model | None) -> Model | None:
    """The held model, if it may still take this champion's place."""
    held = memory.held
    return held.model if held and champion and held.ledger.champion == champion.version else None
