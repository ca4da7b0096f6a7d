"""The table of contents: every asset, check, job, schedule, sensor and resource of the pipeline."""

import dagster as dg

from amzseg_pipeline.defs import maintenance as housekeeping
from amzseg_pipeline.defs import sensors as alerts
from amzseg_pipeline.defs.assets import algorithms, eda, models, publish, reviews, segments, users
from amzseg_pipeline.defs.io_manager import warehouse_io_manager
from amzseg_pipeline.defs.jobs import segment_users
from amzseg_pipeline.defs.resources import PipelineResource, engine_under_lock
from amzseg_pipeline.defs.schedules import landing_sensor, nightly

defs = dg.Definitions(
    assets=[
        reviews.raw_reviews,
        reviews.validated_items,
        reviews.validated_reviews,
        users.user_features,
        segments.feature_scaling,
        segments.scaled_features,
        models.segment_drift,
        models.challenger_model,
        models.promotion_gate,
        models.cluster_model,
        segments.segment_assignments,
        segments.segment_profiles,
        segments.segment_migrations,
        segments.segment_history,
        publish.published_segments,
        eda.eda_reviews,
        eda.eda_users,
        eda.eda_segments,
        eda.eda_history,
        algorithms.algorithm_comparison,
    ],
    asset_checks=[
        reviews.has_rows,
        reviews.item_reconciliation,
        reviews.items_contract,
        reviews.rejected_items_contract,
        reviews.review_reconciliation,
        reviews.cleaned_reviews_contract,
        reviews.rejected_reviews_contract,
        users.user_features_contract,
        users.every_review_counted,
        users.no_review_from_the_future,
        segments.scaled_features_contract,
        models.no_drift,
        models.no_model_pending,
        models.unique_segments,
        segments.segment_assignments_contract,
        segments.everyone_assigned,
        segments.no_moves_by_model,
        segments.segment_profiles_contract,
        segments.users_add_up,
        segments.names_fit,
        segments.segment_migrations_contract,
        segments.migrations_add_up,
        segments.segment_history_contract,
        publish.snapshot_is_intact,
        eda.eda_reviews_drawn,
        eda.eda_users_drawn,
        eda.eda_segments_drawn,
        eda.eda_history_drawn,
        algorithms.algorithm_comparison_contract,
    ],
    jobs=[segment_users, housekeeping.prune],
    schedules=[nightly, housekeeping.weekly_prune],
    sensors=[landing_sensor, alerts.alert_on_failure, alerts.ping_after_success],
    resources={
        "pipeline": PipelineResource.configure_at_launch(),
        "engine": engine_under_lock,
        "io_manager": warehouse_io_manager,
    },
    executor=dg.in_process_executor,
)
