"""The segments stage: scaling, the segment of every user, segment profiles, migrations and history.

steps/segments/ holds the statistics; models.py the assets that choose the serving model.

Over 250 lines: every asset and check of the stage.
"""

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.history import NO_SEGMENT, SEGMENT_HISTORY, SEGMENT_MIGRATIONS, Cause
from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.segments import SCALED_FEATURES, SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.defs.checks import contract_check, row_count
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS
from amzseg_pipeline.defs.previous_run import PreviousRunResource
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata import document_asset_arguments, scaling_metadata, table_asset_arguments
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage import snapshots
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.parquet.tables import pandas_frame
from amzseg_pipeline.storage.previous_run import PreviousRun
from amzseg_pipeline.storage.warehouse import assignments
from amzseg_pipeline.storage.warehouse.build_context import BuildContext


@dg.asset(
    **document_asset_arguments(
        "How each feature is imputed, transformed and scaled before clustering, and which features are dropped.",
        stage="segments",
        kinds={"python", "pandas"},
    )
)
def feature_scaling(
    context: dg.AssetExecutionContext, user_features: nw.LazyFrame, pipeline: PipelineResource
) -> FeatureScaling:
    """Fitted on the training sample."""
    settings = pipeline.resolved_settings
    sample = pandas_frame(segments.training_sample(user_features, users=settings.training_users))
    shrinkages = segments.shrinkages(user_features)
    scaling = segments.feature_scaling(sample, transform=settings.transform, shrinkages=shrinkages)
    for warning in scaling.warnings:
        context.log.warning(f"{warning.name} is {warning.reason}")
    context.add_output_metadata(scaling_metadata(scaling))
    return scaling


@dg.asset(**table_asset_arguments(SCALED_FEATURES, stage="segments", kinds={"pandas"}))
def scaled_features(
    user_features: nw.LazyFrame, feature_scaling: FeatureScaling, pipeline: PipelineResource
) -> pd.DataFrame:
    """The training sample, scaled."""
    sample = segments.training_sample(user_features, users=pipeline.resolved_settings.training_users)
    return segments.scaled_features(pandas_frame(sample), feature_scaling)


scaled_features_contract = contract_check(SCALED_FEATURES)


@dg.asset(**table_asset_arguments(SEGMENT_ASSIGNMENTS, stage="segments", kinds={"pandas"}))
def segment_assignments(
    context: dg.AssetExecutionContext,
    user_features: TableParts,
    cluster_model: Model,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> TableParts:
    """Scores every user and adds the segment of the previous run, bucket by bucket."""
    last = previous.value
    scoring = assignments.Scoring(
        model=cluster_model,
        champion=last.champion,
        previous=last.table(SEGMENT_ASSIGNMENTS),
        as_of=engine.scan(user_features.paths).select(nw.col("as_of").max()).collect("pyarrow").item(),
        run_date=pipeline.now.date(),
    )
    return assignments.segment_assignments(user_features, scoring, _build(context, pipeline, engine))


segment_assignments_contract = contract_check(SEGMENT_ASSIGNMENTS)


@dg.asset_check(
    asset=segment_assignments,
    additional_ins={"user_features": dg.AssetIn("user_features")},
    blocking=True,
    description="Every user has a segment, and every assignment belongs to a user.",
)
def everyone_assigned(segment_assignments: nw.LazyFrame, user_features: nw.LazyFrame) -> dg.AssetCheckResult:
    """Fails if users are missing from, or unknown to, the assignments."""
    assigned = segment_assignments.select("user_id")
    missing = row_count(user_features.select("user_id").join(assigned, on="user_id", how="anti"))
    unknown = row_count(assigned.join(user_features.select("user_id"), on="user_id", how="anti"))
    return dg.AssetCheckResult(passed=missing == unknown == 0, metadata={"missing": missing, "unknown": unknown})


@dg.asset_check(
    asset=segment_assignments,
    additional_ins={"cluster_model": dg.AssetIn("cluster_model")},
    blocking=True,
    description="The same model assigns unchanged users to the same segments.",
)
def unchanged_model_keeps_segments(
    segment_assignments: nw.LazyFrame, cluster_model: Model, previous: PreviousRunResource
) -> dg.AssetCheckResult:
    """Fails if the same model as before assigns the previous features of users to other segments."""
    champion = previous.value.champion
    moved = segments.moved_by_model(segment_assignments)
    same_model = champion is not None and champion.version == cluster_model.version
    if champion is None:
        message = "there is no previous run"
    elif not same_model:
        message = f"the new model moved {moved:,} users"
    elif not moved:
        message = "the model is the same and moved no user"
    else:
        message = (
            f"model {cluster_model.version} assigns {moved:,} users, scored with their previous features, to other "
            "segments than the previous run did: the scoring code changed. Restore the previous code, or train and "
            "promote a new model"
        )
    return dg.AssetCheckResult(
        passed=not (same_model and moved),
        description=message,
        metadata={"moved_by_model": moved},
    )


@dg.asset(**table_asset_arguments(SEGMENT_PROFILES, stage="segments", kinds={"pandas"}))
def segment_profiles(
    context: dg.AssetExecutionContext,
    segment_assignments: TableParts,
    cluster_model: Model,
    pipeline: PipelineResource,
    engine: dg.ResourceParam[Engine],
) -> pd.DataFrame:
    """Size and means of each segment."""
    build = _build(context, pipeline, engine)
    profiles = assignments.segment_profiles(segment_assignments, cluster_model, build)
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
    description="The users of all segments add up to all users.",
)
def users_add_up(segment_profiles: pd.DataFrame, segment_assignments: nw.LazyFrame) -> dg.AssetCheckResult:
    """Fails if the profiles count more or fewer users than were assigned."""
    profiled, assigned = int(segment_profiles["users"].sum()), row_count(segment_assignments)
    return dg.AssetCheckResult(passed=profiled == assigned, metadata={"profiled": profiled, "assigned": assigned})


@dg.asset_check(asset=segment_profiles, description="Segment names describe what sets their segments apart.")
def names_fit(segment_profiles: pd.DataFrame, pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Warns of every segment whose name describes it poorly; its profile describes it better."""
    poor_fits = segment_profiles[segment_profiles["name_fit"] < pipeline.resolved_settings.min_name_fit]
    labels = [
        f"{row['segment_id']} {row['segment_name']} ({row['name_fit']:.2f})" for row in poor_fits.to_dict("records")
    ]
    return dg.AssetCheckResult(
        passed=not labels,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"use the profile, not the name, of {', '.join(labels)}" if labels else "every name fits",
        metadata={
            f"{row['segment_id']} {row['segment_name']}": float(row["name_fit"])
            for row in segment_profiles.to_dict("records")
        },
    )


@dg.asset(**table_asset_arguments(SEGMENT_MIGRATIONS, stage="segments", kinds={"duckdb"}))
def segment_migrations(
    context: dg.AssetExecutionContext,
    segment_assignments: nw.LazyFrame,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> pd.DataFrame:
    """Counts users by previous segment, segment and cause, including users who stayed, joined or left."""
    previous_assignments = _previous_table(previous.value, SEGMENT_ASSIGNMENTS, engine)
    migrations = segments.segment_migrations(segment_assignments, previous_assignments)
    causes = migrations.groupby("cause")["users"].sum()
    context.add_output_metadata({f"users: {cause}": int(causes.get(cause.value, 0)) for cause in Cause})
    return migrations


segment_migrations_contract = contract_check(SEGMENT_MIGRATIONS)


@dg.asset_check(
    asset=segment_migrations,
    additional_ins={"segment_assignments": dg.AssetIn("segment_assignments")},
    blocking=True,
    description="The migrations add up to the users of both runs.",
)
def migrations_add_up(
    segment_migrations: pd.DataFrame,
    segment_assignments: nw.LazyFrame,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> dg.AssetCheckResult:
    """Fails if the migrations miss users of either snapshot or count too many."""
    users = segment_migrations["users"]
    previous_assignments = _previous_table(previous.value, SEGMENT_ASSIGNMENTS, engine)
    figures = {
        "users_in_migrations": int(users[segment_migrations["to_segment_id"] != NO_SEGMENT].sum()),
        "users": row_count(segment_assignments),
        "previous_users_in_migrations": int(users[segment_migrations["from_segment_id"] != NO_SEGMENT].sum()),
        "previous_users": 0 if previous_assignments is None else row_count(previous_assignments),
    }
    return dg.AssetCheckResult(
        passed=figures["users_in_migrations"] == figures["users"]
        and figures["previous_users_in_migrations"] == figures["previous_users"],
        metadata=figures,
    )


@dg.asset(**table_asset_arguments(SEGMENT_HISTORY, stage="segments", kinds={"pandas"}))
def segment_history(
    segment_assignments: nw.LazyFrame,
    segment_profiles: pd.DataFrame,
    segment_migrations: pd.DataFrame,
    segment_drift: Drift,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> pd.DataFrame:
    """The history of the previous snapshot, and a row per segment for this run."""
    history = _previous_table(previous.value, SEGMENT_HISTORY, engine)
    return segments.segment_history(
        None if history is None else history.collect("pyarrow").to_native().to_pandas(types_mapper=pd.ArrowDtype),
        segment_profiles,
        segment_migrations,
        segment_drift,
        sequence=snapshots.next_sequence(pipeline.data_root.published),
        as_of=segment_assignments.select(nw.col("as_of").max()).collect("pyarrow").item(),
    )


segment_history_contract = contract_check(SEGMENT_HISTORY)


def _build(context: dg.AssetExecutionContext, pipeline: PipelineResource, engine: Engine) -> BuildContext:
    warehouse, settings = pipeline.data_root.warehouse, pipeline.resolved_settings
    return BuildContext(engine, warehouse, CODE_VERSIONS["segments"], settings, log=context.log.info)


def _previous_table(last: PreviousRun, table: Table, engine: Engine) -> nw.LazyFrame | None:
    path = last.table(table)
    return None if path is None else engine.scan([path])
