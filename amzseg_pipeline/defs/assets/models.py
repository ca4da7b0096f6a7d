"""The model of the night: drift, a challenger where one is due, the gate between the two, and who scores tonight.

No statistics here: they stand in steps/segments/. What last night left is read from the last published snapshot.
"""

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata.described import described
from amzseg_pipeline.defs.ui_metadata.model_tables import choice_metadata
from amzseg_pipeline.defs.ui_metadata.promotion_tables import (
    challenger_metadata,
    drift_metadata,
    lineage_metadata,
    promotion_metadata,
)
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.tables import pandas_frame
from amzseg_pipeline.storage.previous_run import previous_run


@dg.asset(
    **described(
        "How far users are from those the champion was trained on. It warns and asks for a challenger; it never stops "
        "a night.",
        stage="segments",
        kinds={"python"},
    )
)
def segment_drift(context: dg.AssetExecutionContext, user_features: nw.LazyFrame, pipeline: PipelineResource) -> Drift:
    """Measured on the users of smallest hash."""
    champion = previous_run(pipeline.data_root).champion
    sample = _sample(user_features, pipeline.values)
    drift = segments.drift(sample, champion, pipeline.values) if champion else segments.no_drift(len(sample))
    context.add_output_metadata(drift_metadata(drift))
    return drift


@dg.asset_check(asset=segment_drift, description="Users are like those the champion was trained on.")
def no_drift(segment_drift: Drift) -> dg.AssetCheckResult:
    """Warns of every measure beyond its limit."""
    return dg.AssetCheckResult(
        passed=not segment_drift.warnings,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(segment_drift.warnings) or segment_drift.note or "no measure is beyond its limit",
        metadata={figure.name: figure.value for figure in segment_drift.figures},
    )


@dg.asset(
    **described(
        "The model that asks for the champion's place, or why none was trained tonight.",
        stage="segments",
        kinds={"python", "scikitlearn"},
    )
)
def challenger_model(
    context: dg.AssetExecutionContext,
    user_features: nw.LazyFrame,
    scaled_features: pd.DataFrame,
    feature_scaling: FeatureScaling,
    segment_drift: Drift,
    pipeline: PipelineResource,
    engine: dg.ResourceParam[Engine],
) -> Challenger:
    """Trained in the first run, weekly, and when drift, changed settings or the run's configuration ask for it."""
    last = previous_run(pipeline.data_root)
    assignments = last.table(SEGMENT_ASSIGNMENTS)
    challenger = segments.challenger_of_run(
        user_features,
        scaled_features,
        feature_scaling,
        pipeline.values,
        champion=last.champion,
        promotion_state=last.promotion_state,
        previous_assignments=engine.scan([assignments]) if assignments else None,
        drift=segment_drift,
        now=pipeline.time,
        forced=pipeline.train,
        approved=pipeline.approve,
    )
    context.add_output_metadata(challenger_metadata(challenger))
    return challenger


@dg.asset(
    **described(
        "PROMOTE, HOLD or REJECT for tonight's challenger, with every figure; KEEP where there is none.",
        stage="segments",
        kinds={"python"},
    )
)
def promotion_gate(
    context: dg.AssetExecutionContext, challenger_model: Challenger, segment_drift: Drift, pipeline: PipelineResource
) -> PromotionReport:
    """The gate's decision, or that of the person who approves the model that waits."""
    last = previous_run(pipeline.data_root)
    if pipeline.approve:
        report = segments.approved_report(pipeline.approve, last.champion, last.promotion_state)
    else:
        report = segments.promotion_report(
            last.champion, challenger_model, segment_drift, last.promotion_state, pipeline.values
        )
    context.add_output_metadata(promotion_metadata(report))
    return report


@dg.asset_check(
    asset=promotion_gate,
    additional_ins={"challenger_model": dg.AssetIn("challenger_model")},
    description="No model waits for a person to approve it.",
)
def no_model_pending(
    promotion_gate: PromotionReport, challenger_model: Challenger, pipeline: PipelineResource
) -> dg.AssetCheckResult:
    """Warns, with the way to approve it, as long as a model is pending."""
    last = previous_run(pipeline.data_root)
    promotion_state = segments.promotion_state_after(
        last.promotion_state, promotion_gate, challenger_model, pipeline.values
    )
    pending = promotion_state.pending
    how = (
        ""
        if pending is None
        else (
            f"model {pending.model.version} waits: {pending.report.reason}. To approve it, launch segment_users with "
            f'resources: {{pipeline: {{config: {{approve: "{pending.model.version}"}}}}}}, or run '
            f"python -m amzseg_pipeline run --approve {pending.model.version}"
        )
    )
    return dg.AssetCheckResult(
        passed=pending is None, severity=dg.AssetCheckSeverity.WARN, description=how or "none does"
    )


@dg.asset(
    **described(
        "The model that scores tonight: the champion of last night, or the one that took its place.",
        stage="segments",
        kinds={"python"},
    )
)
def cluster_model(
    context: dg.AssetExecutionContext,
    challenger_model: Challenger,
    promotion_gate: PromotionReport,
    pipeline: PipelineResource,
) -> Model:
    """The champion, the challenger or the model approved, as the gate says."""
    last = previous_run(pipeline.data_root)
    model = segments.serving_model(promotion_gate, challenger_model, last.champion, last.promotion_state)
    context.add_output_metadata(
        {
            "model_version": model.version,
            "decision": promotion_gate.decision,
            "segments": len(model.segments),
            "inertia": model.inertia,
            "lineage": lineage_metadata(model),
            **promotion_metadata(promotion_gate),
            **choice_metadata(model.choice),
        }
    )
    return model


@dg.asset_check(asset=cluster_model, blocking=True, description="Segment ids and names are unique.")
def unique_segments(cluster_model: Model) -> dg.AssetCheckResult:
    """Fails where two segments could be taken for one another."""
    names = {segment.name for segment in cluster_model.segments}
    ids = {segment.segment_id for segment in cluster_model.segments}
    count = len(cluster_model.segments)
    return dg.AssetCheckResult(passed=len(names) == len(ids) == count > 0, metadata={"segments": count})


def _sample(user_features: nw.LazyFrame, settings: Settings) -> pd.DataFrame:
    sample: pd.DataFrame = pandas_frame(segments.training_sample(user_features, users=settings.training_users))
    return sample
