"""From user features to segments: a model is fitted on a sample of users, then scores all users.

features: sampling -> shrinkage -> scaling. clusters: KMeans and the evidence for every number of clusters. model:
choice of k, fit, names, scoring, profiles, export. lifecycle: drift against the champion, training of a challenger
whose segments keep their ids by lineage, promotion, migrations and history.
"""

from amzseg_pipeline.steps.segments.features.sampling import training_sample
from amzseg_pipeline.steps.segments.features.scaling import feature_scaling, scaled_features
from amzseg_pipeline.steps.segments.features.shrinkage import shrinkages
from amzseg_pipeline.steps.segments.lifecycle.challenger import challenger, challenger_of_run, training_reason
from amzseg_pipeline.steps.segments.lifecycle.drift import drift, drift_without_champion, training_reference
from amzseg_pipeline.steps.segments.lifecycle.history import segment_history
from amzseg_pipeline.steps.segments.lifecycle.lineage import next_segment_number
from amzseg_pipeline.steps.segments.lifecycle.migrations import (
    CARRIED_COLUMNS,
    assigned_users,
    moved_by_model,
    segment_migrations,
    with_previous_segments,
)
from amzseg_pipeline.steps.segments.lifecycle.promotion import approved_report, promotion_report
from amzseg_pipeline.steps.segments.lifecycle.promotion_state import pending_model, promotion_state_after, serving_model
from amzseg_pipeline.steps.segments.model.export import exported_pipeline
from amzseg_pipeline.steps.segments.model.fit import cluster_model, fitted_model
from amzseg_pipeline.steps.segments.model.member_names import renamed_segments, with_member_names
from amzseg_pipeline.steps.segments.model.profiles import ProfileCounts, profile_counts, segment_profiles
from amzseg_pipeline.steps.segments.model.scoring import scored_users
from amzseg_pipeline.steps.segments.model.serialization import (
    document,
    feature_scaling_document,
    feature_scaling_from_document,
    from_document,
    model_document,
    model_from_document,
)

__all__ = [
    "CARRIED_COLUMNS",
    "ProfileCounts",
    "approved_report",
    "assigned_users",
    "challenger",
    "challenger_of_run",
    "cluster_model",
    "document",
    "drift",
    "drift_without_champion",
    "exported_pipeline",
    "feature_scaling",
    "feature_scaling_document",
    "feature_scaling_from_document",
    "fitted_model",
    "from_document",
    "model_document",
    "model_from_document",
    "moved_by_model",
    "next_segment_number",
    "pending_model",
    "profile_counts",
    "promotion_report",
    "promotion_state_after",
    "renamed_segments",
    "scaled_features",
    "scored_users",
    "segment_history",
    "segment_migrations",
    "segment_profiles",
    "serving_model",
    "shrinkages",
    "training_reason",
    "training_reference",
    "training_sample",
    "with_member_names",
    "with_previous_segments",
]
