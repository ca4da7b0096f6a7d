"""The segments stage: the model, every user's segment, and what each segment is like.

The statistics stand in steps/segments/, a file per concept.
"""

import os

import dagster as dg
import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.segments import SCALED_FEATURES, SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.described import described, described_table
from amzseg_pipeline.defs.resources import DataHome
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.tables import FrameStream

_SCORING_ROWS = 200_000


@dg.asset(
    **described(
        "What is fitted before clustering: how each feature is imputed, transformed and scaled, and which are dropped.",
        stage="segments",
        kinds={"python", "pandas"},
    )
)
def feature_scaling(
    context: dg.AssetExecutionContext, user_features: nw.LazyFrame, data_home: DataHome
) -> FeatureScaling:
    """Fitted on the training sample."""
    settings = data_home.values
    sample = segments.training_sample(user_features, users=settings.training_users).collect("pandas").to_native()
    scaling = segments.feature_scaling(sample, transform=settings.transform)
    context.add_output_metadata(
        {
            "users": scaling.users,
            "transform": scaling.transform,
            "dropped": "; ".join(f"{feature.name}: {feature.reason}" for feature in scaling.dropped) or "none",
        }
    )
    return scaling


@dg.asset(**described_table(SCALED_FEATURES, stage="segments", kinds={"pandas"}))
def scaled_features(user_features: nw.LazyFrame, feature_scaling: FeatureScaling, data_home: DataHome) -> pd.DataFrame:
    """The same sample, scaled."""
    sample = segments.training_sample(user_features, users=data_home.values.training_users)
    return segments.scaled_features(sample.collect("pandas").to_native(), feature_scaling)


scaled_features_contract = contract_check(SCALED_FEATURES)


@dg.asset(
    **described(
        "The segment model: scaling, centroids, segment ids and names, and the evidence for the number of segments.",
        stage="segments",
        kinds={"python", "scikitlearn"},
    )
)
def cluster_model(
    context: dg.AssetExecutionContext,
    scaled_features: pd.DataFrame,
    feature_scaling: FeatureScaling,
    data_home: DataHome,
) -> Model:
    """KMeans on the sample, with the number of segments that the evidence supports."""
    model = segments.cluster_model(
        scaled_features,
        feature_scaling,
        data_home.values,
        trained_at=data_home.time.isoformat(timespec="seconds"),
        jobs=os.cpu_count() or 1,
    )
    context.add_output_metadata(_model_metadata(model))
    return model


@dg.asset_check(asset=cluster_model, blocking=True, description="Segment ids and names are unique.")
def unique_segments(cluster_model: Model) -> dg.AssetCheckResult:
    """Fails where two segments could be taken for one another."""
    names = {segment.name for segment in cluster_model.segments}
    ids = {segment.segment_id for segment in cluster_model.segments}
    count = len(cluster_model.segments)
    return dg.AssetCheckResult(passed=len(names) == len(ids) == count > 0, metadata={"segments": count})


@dg.asset(**described_table(SEGMENT_ASSIGNMENTS, stage="segments", kinds={"pandas"}))
def segment_assignments(
    user_features: nw.LazyFrame, cluster_model: Model, engine: dg.ResourceParam[Engine]
) -> FrameStream:
    """Every user scored by the model, batch by batch."""
    as_of = user_features.select(nw.col("as_of").max()).collect("pyarrow").item()
    batches = engine.batches(user_features.sort("user_id"), rows=_SCORING_ROWS)
    return FrameStream(segments.scored_users(users, cluster_model, as_of=as_of) for users in batches)


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


def _rows(frame: nw.LazyFrame) -> int:
    return int(frame.select(nw.len()).collect("pyarrow").item())


def _model_metadata(model: Model) -> dict[str, dg.MetadataValue | int | float | str]:
    choice = model.choice
    rows = [
        f"| {e.k}{' (chosen)' if e.k == choice.k else ''} | {e.inertia:,.1f} | "
        f"{'' if e.silhouette is None else f'{e.silhouette:.4f}'} | {' / '.join(f'{n:,}' for n in e.sizes)} |"
        for e in choice.evidence
    ]
    chosen = next((e.silhouette for e in choice.evidence if e.k == choice.k), None)
    return {
        "model_version": model.version,
        "segments": len(model.segments),
        "inertia": model.inertia,
        **({} if chosen is None else {"silhouette": chosen}),
        "chosen by": choice.rule,
        "knee says": choice.knee or 0,
        "silhouette says": choice.best_silhouette or 0,
        "evidence": dg.MetadataValue.md(
            "\n".join(["| k | inertia | silhouette | sizes |", "|---|---|---|---|", *rows])
        ),
    }
