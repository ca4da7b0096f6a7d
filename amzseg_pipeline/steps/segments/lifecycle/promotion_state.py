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
    time = now.isoformat(timespec="seconds")
    promoted, used_settings = report.decision == "PROMOTE", settings.model_hash
    champion_settings = before.champion_settings
    if promoted or (model is not None and model.version == report.champion_version):
        champion_settings = pending.settings if model is None and pending else used_settings
    if promoted or (pending is not None and pending.report.champion_version != report.champion_version):
        pending = None
    if report.decision == "HOLD" and model is not None:
        since, better_since = (pending.since, pending.better_since) if pending else ("", "")
        pending = PendingModel(model, report, since or time, better_since or time, used_settings)
    elif pending is not None and model is not None and _is_no_better(report):
        pending = replace(pending, better_since="")
    drifts = bool(drift.triggers) and not promoted and not _is_measured_again(report, challenger)
    runs = before.runs_since_promotion + 1
    if promoted and not report.champion_version:
        runs = settings.promote_min_runs  # the first model moves nobody, so that the next one need not wait
    elif promoted and any(criterion.name == "moved_share" and criterion.value for criterion in report.criteria):
        runs = 0
    return PromotionState(
        pending=pending,
        challenger_trained_at=before.challenger_trained_at if model is None else model.trained_at,
        challenger_settings=before.challenger_settings if model is None else used_settings,
        # If approval is needed, only an approval promotes, which ends the need.
        approval_needed="" if promoted else before.approval_needed,
        drift_since=(before.drift_since or time) if drifts else "",
        drift_runs=before.drift_runs + 1 if drifts else 0,
        runs_since_promotion=runs,
        champion_settings=champion_settings,
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
    elif champion is not None and _is_measured_again(report, challenger):
        model = replace(champion, reference=challenger.champion_reference)
    if model is None or (report.decision == "PROMOTE" and model.version != report.challenger_version):
        raise ModelError("promotion_gate: its decision belongs to another run; run all of the job segment_users.")
    return model


def pending_model(promotion_state: PromotionState, champion: Model | None) -> Model | None:
    """The pending model, if it was compared with this champion."""
    pending = promotion_state.pending
    return pending.model if pending and champion and pending.report.champion_version == champion.version else None


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
    """Days since a better model is pending; 0 if a later challenger was not better."""
    return _days_since(pending.better_since, now=now)


def _is_measured_again(report: PromotionReport, challenger: Challenger) -> bool:
    """Whether the champion gets a new reference for drift, because it was compared and kept."""
    return report.decision == "KEEP" and challenger.champion_reference is not None


def _is_no_better(report: PromotionReport) -> bool:
    """Whether the challenger of a report equals the champion or is not better."""
    return report.challenger_version == report.champion_version or any(
        criterion.name == "better" and criterion.result == "failed" for criterion in report.criteria
    )


def _days_since(time: str, *, now: datetime) -> float:
    return (now - datetime.fromisoformat(time)).total_seconds() / 86_400 if time else 0.0
