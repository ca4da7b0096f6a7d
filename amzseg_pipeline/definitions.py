"""Every asset, check, job, schedule, sensor and resource of the pipeline, for Dagster to load."""

import dagster as dg

from amzseg_pipeline.defs import jobs, schedules, sensors
from amzseg_pipeline.defs.assets import algorithms, delivery, eda, models, publish, reviews, segments, users
from amzseg_pipeline.defs.io_manager import WarehouseIOManagerFactory
from amzseg_pipeline.defs.previous_run import PreviousRunResource
from amzseg_pipeline.defs.resources import EngineResource, PipelineResource

_pipeline = PipelineResource.configure_at_launch()
# At launch, so that the IO manager gets the engine of the run and not a second one.
_engine = EngineResource.configure_at_launch(pipeline=_pipeline)

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
        *delivery.DELIVERY_ASSETS,
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
        reviews.rows_reconcile,
        reviews.rejection_rate,
        reviews.row_count_in_range,
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
        segments.unchanged_model_keeps_segments,
        segments.segment_profiles_contract,
        segments.users_add_up,
        segments.names_fit,
        segments.segment_migrations_contract,
        segments.migrations_add_up,
        segments.segment_history_contract,
        publish.snapshot_is_intact,
        eda.eda_reviews_rendered,
        eda.eda_users_rendered,
        eda.eda_segments_rendered,
        eda.eda_history_rendered,
        algorithms.algorithm_comparison_contract,
    ],
    jobs=[jobs.segment_users, jobs.approve_pending_model, jobs.rollback, jobs.erase_user, jobs.prune],
    schedules=[schedules.nightly, schedules.weekly_prune],
    sensors=[
        sensors.landing_sensor,
        sensors.alert_on_failure,
        sensors.alert_on_segments,
        sensors.ping_after_success,
    ],
    resources={
        "pipeline": _pipeline,
        "previous": PreviousRunResource(pipeline=_pipeline),
        "engine": _engine,
        "no_io_manager": dg.mem_io_manager,
        "io_manager": WarehouseIOManagerFactory(pipeline=_pipeline, engine=_engine),  # type: ignore[arg-type]
    },
    executor=dg.in_process_executor,
)
