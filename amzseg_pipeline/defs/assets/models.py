"""The serving model of a run: drift, a challenger if one is due, the promotion gate, and the model that scores.

steps/segments/ holds the statistics. Champion and promotion state come from the previous published snapshot.
"""

from datetime import datetime

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.defs.previous_run import PreviousRunResource
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata import (
    challenger_metadata,
    document_asset_arguments,
    drift_metadata,
    k_choice_metadata,
    lineage_metadata,
    promotion_metadata,
)
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.tables import pandas_frame

_ESCALATION_DAYS = 7
"""A pending model without an answer for this long is an error."""


@dg.asset(
    **document_asset_arguments(
        "How far users are from those the champion was trained on. Drift warns and triggers a challenger; it never "
        "stops a run.",
        stage="segments",
        kinds={"python"},
    )
)
def segment_drift(
    context: dg.AssetExecutionContext,
    user_features: nw.LazyFrame,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
) -> Drift:
    """Measured on the training sample."""
    champion = previous.value.champion
    sample = _sample(user_features, pipeline.resolved_settings)
    drift = (
        segments.drift(sample, champion, pipeline.resolved_settings)
        if champion
        else segments.drift_without_champion(len(sample))
    )
    context.add_output_metadata(drift_metadata(drift))
    return drift


@dg.asset_check(
    asset=segment_drift, description="Warns of drift: users no longer resemble those the champion was trained on."
)
def no_drift(segment_drift: Drift) -> dg.AssetCheckResult:
    """Warns of every measure above its limit."""
    return dg.AssetCheckResult(
        passed=not segment_drift.warnings,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(segment_drift.warnings) or segment_drift.note or "no measure is above its limit",
        metadata={measure.name: measure.value for measure in segment_drift.measures},
    )


@dg.asset(
    **document_asset_arguments(
        "The model that competes with the champion, or why none was trained in this run.",
        stage="segments",
        kinds={"python", "scikitlearn"},
    )
)
def challenger_model(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    user_features: nw.LazyFrame,
    scaled_features: pd.DataFrame,
    feature_scaling: FeatureScaling,
    segment_drift: Drift,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> Challenger:
    """Trained in the first run, weekly, on drift, after a change of settings, and on request."""
    last = previous.value
    assignments = last.table(SEGMENT_ASSIGNMENTS)
    challenger = segments.challenger_of_run(
        user_features,
        scaled_features,
        feature_scaling,
        pipeline.resolved_settings,
        champion=last.champion,
        first_segment_number=last.first_segment_number,
        promotion_state=last.promotion_state,
        previous_assignments=engine.scan([assignments]) if assignments else None,
        drift=segment_drift,
        now=pipeline.now,
        training_requested=pipeline.train,
        approved_version=pipeline.approve,
        rating_meaning=raw_reviews.rating_meaning,
    )
    context.add_output_metadata(challenger_metadata(challenger))
    return challenger


@dg.asset(
    **document_asset_arguments(
        "The decision on the challenger with every criterion: PROMOTE, HOLD, REJECT or KEEP.",
        stage="segments",
        kinds={"python"},
    )
)
def promotion_gate(
    context: dg.AssetExecutionContext,
    challenger_model: Challenger,
    segment_drift: Drift,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
) -> PromotionReport:
    """The decision of the criteria, or of the operator who approved the pending model."""
    last = previous.value
    if pipeline.approve:
        report = segments.approved_report(pipeline.approve, last.champion, last.promotion_state)
    else:
        report = segments.promotion_report(
            last.champion,
            challenger_model,
            segment_drift,
            last.promotion_state,
            pipeline.resolved_settings,
            now=pipeline.now,
        )
    context.add_output_metadata(promotion_metadata(report))
    return report


@dg.asset_check(
    asset=promotion_gate,
    additional_ins={
        "challenger_model": dg.AssetIn("challenger_model"),
        "segment_drift": dg.AssetIn("segment_drift"),
    },
    description="Warns while a model is pending approval.",
)
def no_model_pending(
    promotion_gate: PromotionReport,
    challenger_model: Challenger,
    segment_drift: Drift,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
) -> dg.AssetCheckResult:
    """Warns while a model is pending, with the way to approve it."""
    promotion_state = segments.promotion_state_after(
        previous.value.promotion_state,
        promotion_gate,
        challenger_model,
        pipeline.resolved_settings,
        drift=segment_drift,
        now=pipeline.now,
    )
    pending = promotion_state.pending
    message = "no model is pending"
    if pending is not None:
        version = pending.model.version
        message = (
            f"model {version} is pending: {pending.report.reason}. To approve it, launch approve_pending_model "
            f'with model_version: "{version}", or run amzseg run --approve {version}'
        )
    days = (pipeline.now - datetime.fromisoformat(pending.since)).days if pending and pending.since else 0
    return dg.AssetCheckResult(
        passed=pending is None,
        severity=dg.AssetCheckSeverity.ERROR if days >= _ESCALATION_DAYS else dg.AssetCheckSeverity.WARN,
        description=message,
        metadata={"pending_days": days},
    )


@dg.asset(
    **document_asset_arguments(
        "The model that scores users in this run: the champion, or the model promoted to replace it.",
        stage="segments",
        kinds={"python"},
    )
)
def cluster_model(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    user_features: nw.LazyFrame,
    challenger_model: Challenger,
    promotion_gate: PromotionReport,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
) -> Model:
    """The champion, the challenger or the approved model, as the promotion gate decided, named for its members."""
    last = previous.value
    model = segments.with_member_names(
        segments.serving_model(promotion_gate, challenger_model, last.champion, last.promotion_state),
        _sample(user_features, pipeline.resolved_settings),
        rating_meaning=raw_reviews.rating_meaning,
    )
    renamed = segments.renamed_segments(last.champion, model)
    for segment_id, old, new in renamed:
        context.log.info(f"{segment_id} is renamed from {old} to {new}: the old name is not true of its members")
    context.add_output_metadata(
        {
            "model_version": model.version,
            "decision": promotion_gate.decision,
            "reason": promotion_gate.reason,
            "segments": len(model.segments),
            "renamed": "; ".join(f"{segment_id}: {old} -> {new}" for segment_id, old, new in renamed) or "none",
            "inertia": model.inertia,
            "lineage": lineage_metadata(model),
            **k_choice_metadata(model.choice),
        }
    )
    return model


@dg.asset_check(asset=cluster_model, blocking=True, description="Segment ids and names are unique.")
def unique_segments(cluster_model: Model) -> dg.AssetCheckResult:
    """Fails if two segments could be confused."""
    names = {segment.name for segment in cluster_model.segments}
    ids = {segment.segment_id for segment in cluster_model.segments}
    count = len(cluster_model.segments)
    return dg.AssetCheckResult(passed=len(names) == len(ids) == count > 0, metadata={"segments": count})


def _sample(user_features: nw.LazyFrame, settings: Settings) -> pd.DataFrame:
    sample: pd.DataFrame = pandas_frame(segments.training_sample(user_features, users=settings.training_users))
    return sample
