"""The segments stage: scaling, every user's segment, what each segment is like, and how users moved between them.

The statistics stand in steps/segments/, a file per concept; the model of the night comes about in models.py.
"""

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.history import NO_SEGMENT, SEGMENT_HISTORY, SEGMENT_MIGRATIONS, Cause
from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.segments import SCALED_FEATURES, SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata.described import described, described_table
from amzseg_pipeline.defs.ui_metadata.model_tables import scaling_metadata
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage import snapshots
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.tables import FrameStream, pandas_frame
from amzseg_pipeline.storage.previous_run import PreviousRun, previous_run

_SCORING_ROWS = 200_000


@dg.asset(
    **described(
        "What is fitted before clustering: how each feature is imputed, transformed and scaled, and which are dropped.",
        stage="segments",
        kinds={"python", "pandas"},
    )
)
def feature_scaling(
    context: dg.AssetExecutionContext, user_features: nw.LazyFrame, pipeline: PipelineResource
) -> FeatureScaling:
    """Fitted on the training sample."""
    settings = pipeline.values
    sample = pandas_frame(segments.training_sample(user_features, users=settings.training_users))
    shrinkages = segments.shrinkages(user_features)
    scaling = segments.feature_scaling(sample, transform=settings.transform, shrinkages=shrinkages)
    for warning in scaling.warnings:
        context.log.warning(f"{warning.name} is {warning.reason}")
    context.add_output_metadata(scaling_metadata(scaling))
    return scaling


@dg.asset(**described_table(SCALED_FEATURES, stage="segments", kinds={"pandas"}))
def scaled_features(
    user_features: nw.LazyFrame, feature_scaling: FeatureScaling, pipeline: PipelineResource
) -> pd.DataFrame:
    """The same sample, scaled."""
    sample = segments.training_sample(user_features, users=pipeline.values.training_users)
    return segments.scaled_features(pandas_frame(sample), feature_scaling)


scaled_features_contract = contract_check(SCALED_FEATURES)


@dg.asset(**described_table(SEGMENT_ASSIGNMENTS, stage="segments", kinds={"pandas"}))
def segment_assignments(
    user_features: nw.LazyFrame, cluster_model: Model, pipeline: PipelineResource, engine: dg.ResourceParam[Engine]
) -> FrameStream:
    """Every user scored by the model and followed from the night before, batch by batch."""
    last = previous_run(pipeline.data_root)
    as_of = user_features.select(nw.col("as_of").max()).collect("pyarrow").item()
    followed = segments.with_previous_segments(user_features, _scanned(last, SEGMENT_ASSIGNMENTS, engine))
    batches = engine.batches(followed.sort("user_id"), rows=_SCORING_ROWS)
    return FrameStream(
        segments.followed_users(users, cluster_model, champion=last.champion, as_of=as_of) for users in batches
    )


segment_assignments_contract = contract_check(SEGMENT_ASSIGNMENTS)


@dg.asset_check(
    asset=segment_assignments,
    additional_ins={"user_features": dg.AssetIn("user_features")},
    blocking=True,
    description="Every user has a segment, and no one else has.",
)
def everyone_assigned(segment_assignments: nw.LazyFrame, user_features: nw.LazyFrame) -> dg.AssetCheckResult:
    """Fails where users were lost or made up between features and segments."""
    assigned = segment_assignments.select("user_id")
    missing = _rows(user_features.select("user_id").join(assigned, on="user_id", how="anti"))
    unknown = _rows(assigned.join(user_features.select("user_id"), on="user_id", how="anti"))
    return dg.AssetCheckResult(passed=missing == unknown == 0, metadata={"missing": missing, "unknown": unknown})


@dg.asset_check(
    asset=segment_assignments,
    additional_ins={"cluster_model": dg.AssetIn("cluster_model")},
    blocking=True,
    description="Without another model, nobody moves but by what they did.",
)
def no_moves_by_model(
    segment_assignments: nw.LazyFrame, cluster_model: Model, pipeline: PipelineResource
) -> dg.AssetCheckResult:
    """Fails where the champion itself no longer puts the users of last night where it put them."""
    champion = previous_run(pipeline.data_root).champion
    moved = segments.moved_by_model(segment_assignments)
    same_model = champion is not None and champion.version == cluster_model.version
    fault = (
        f"model {cluster_model.version} puts {moved:,} users elsewhere than it did last night, with the same features: "
        "the code that scores was changed. Go back to the code before, or let a new model be trained and promoted"
    )
    return dg.AssetCheckResult(
        passed=not (same_model and moved),
        description=fault if same_model and moved else f"{moved:,} users were moved by another model",
        metadata={"moved_by_model": moved},
    )


@dg.asset(**described_table(SEGMENT_PROFILES, stage="segments", kinds={"pandas"}))
def segment_profiles(
    context: dg.AssetExecutionContext, segment_assignments: nw.LazyFrame, cluster_model: Model
) -> pd.DataFrame:
    """Size and means of each segment."""
    profiles = segments.segment_profiles(segment_assignments, cluster_model)
    context.add_output_metadata(
        {
            f"share of {row['segment_id']} {row['segment_name']}": float(row["share"])
            for row in profiles.to_dict("records")
        }
    )
    return profiles


segment_profiles_contract = contract_check(SEGMENT_PROFILES)


@dg.asset_check(
    asset=segment_profiles,
    additional_ins={"segment_assignments": dg.AssetIn("segment_assignments")},
    blocking=True,
    description="The users of all segments add up to everyone.",
)
def users_add_up(segment_profiles: pd.DataFrame, segment_assignments: nw.LazyFrame) -> dg.AssetCheckResult:
    """Fails where a profile counts other users than were assigned."""
    profiled, assigned = int(segment_profiles["users"].sum()), _rows(segment_assignments)
    return dg.AssetCheckResult(passed=profiled == assigned, metadata={"profiled": profiled, "assigned": assigned})


@dg.asset_check(asset=segment_profiles, description="Names account for what sets their segments apart.")
def names_fit(segment_profiles: pd.DataFrame, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Warns of every segment whose name says little of it: its profile is what to go by."""
    weak = segment_profiles[segment_profiles["name_fit"] < pipeline.values.min_name_fit]
    told = [f"{row['segment_id']} {row['segment_name']} ({row['name_fit']:.2f})" for row in weak.to_dict("records")]
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"go by the profile, not by the name, of {', '.join(told)}" if told else "every name fits",
        metadata={
            f"{row['segment_id']} {row['segment_name']}": float(row["name_fit"])
            for row in segment_profiles.to_dict("records")
        },
    )


@dg.asset(**described_table(SEGMENT_MIGRATIONS, stage="segments", kinds={"duckdb"}))
def segment_migrations(
    context: dg.AssetExecutionContext,
    segment_assignments: nw.LazyFrame,
    pipeline: PipelineResource,
    engine: dg.ResourceParam[Engine],
) -> pd.DataFrame:
    """How many users went which way since the snapshot before, and why."""
    before = _scanned(previous_run(pipeline.data_root), SEGMENT_ASSIGNMENTS, engine)
    migrations = segments.segment_migrations(segment_assignments, before)
    causes = migrations.groupby("cause")["users"].sum()
    context.add_output_metadata({f"users: {cause}": int(causes.get(cause.value, 0)) for cause in Cause})
    return migrations


segment_migrations_contract = contract_check(SEGMENT_MIGRATIONS)


@dg.asset_check(
    asset=segment_migrations,
    additional_ins={"segment_assignments": dg.AssetIn("segment_assignments")},
    blocking=True,
    description="The migrations add up to the users of both nights.",
)
def migrations_add_up(
    segment_migrations: pd.DataFrame,
    segment_assignments: nw.LazyFrame,
    pipeline: PipelineResource,
    engine: dg.ResourceParam[Engine],
) -> dg.AssetCheckResult:
    """Fails where a user came from nowhere or went missing between two snapshots."""
    users = segment_migrations["users"]
    arrived = int(users[segment_migrations["to_segment_id"] != NO_SEGMENT].sum())
    started = int(users[segment_migrations["from_segment_id"] != NO_SEGMENT].sum())
    before = _scanned(previous_run(pipeline.data_root), SEGMENT_ASSIGNMENTS, engine)
    assigned, was = _rows(segment_assignments), 0 if before is None else _rows(before)
    return dg.AssetCheckResult(
        passed=(arrived, started) == (assigned, was),
        metadata={"arrived": arrived, "assigned": assigned, "started": started, "assigned_before": was},
    )


@dg.asset(**described_table(SEGMENT_HISTORY, stage="segments", kinds={"pandas"}))
def segment_history(
    segment_assignments: nw.LazyFrame,
    segment_profiles: pd.DataFrame,
    segment_migrations: pd.DataFrame,
    segment_drift: Drift,
    pipeline: PipelineResource,
    engine: dg.ResourceParam[Engine],
) -> pd.DataFrame:
    """The nights of the last snapshot, and tonight."""
    before = _scanned(previous_run(pipeline.data_root), SEGMENT_HISTORY, engine)
    return segments.segment_history(
        None if before is None else before.collect("pyarrow").to_native().to_pandas(types_mapper=pd.ArrowDtype),
        segment_profiles,
        segment_migrations,
        segment_drift,
        sequence=snapshots.next_sequence(pipeline.data_root.published),
        as_of=segment_assignments.select(nw.col("as_of").max()).collect("pyarrow").item(),
    )


segment_history_contract = contract_check(SEGMENT_HISTORY)


def _scanned(last: PreviousRun, table: Table, engine: Engine) -> nw.LazyFrame | None:
    path = last.table(table)
    return None if path is None else engine.scan([path])


def _rows(frame: nw.LazyFrame) -> int:
    return int(frame.select(nw.len()).collect("pyarrow").item())
