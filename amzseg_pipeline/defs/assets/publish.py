"""The publish stage: the asset that publishes a snapshot. storage/snapshots/ writes a snapshot atomically."""

import json
from datetime import timedelta

import dagster as dg

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES, RUN_FILE, Provenance
from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.documents import upstream_document
from amzseg_pipeline.defs.previous_run import PreviousRunResource
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import check_records, require_consistent_tables, tag_run
from amzseg_pipeline.defs.ui_metadata import document_asset_arguments, snapshot_metadata
from amzseg_pipeline.steps import segments
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.steps.run_document import run_document
from amzseg_pipeline.storage import landing, snapshots
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.write_lease import require_lease
from amzseg_pipeline.storage.snapshots.model_files import model_files
from amzseg_pipeline.storage.warehouse.catalog import table_frame

_BATCH_ROWS = 2**17


@dg.asset(
    **document_asset_arguments(
        "What readers see: an immutable snapshot of segments, profiles and model, and the pointer to it. Materialize "
        "it with the job segment_users, or with user_features+ to segment the same reviews again; alone it is refused.",
        stage="publish",
        kinds={"parquet", "json"},
    ),
    deps=[table.name for table in PUBLISHED_TABLES],
    # Runs without changes publish nothing, so a healthy asset ages as well.
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(days=3), fail_window=timedelta(days=8)),
)
def published_segments(
    context: dg.AssetExecutionContext,
    pipeline: PipelineResource,
    previous: PreviousRunResource,
    engine: dg.ResourceParam[Engine],
) -> dg.MaterializeResult:
    """Publishes the checked tables; until the pointer moves, readers see the previous snapshot."""
    require_consistent_tables(context.instance, context.run.run_id, asset_key=context.asset_key)
    data_root, run_id = pipeline.data_root, context.run.run_id
    require_lease(data_root.warehouse, run_id)
    raw_reviews = upstream_document(data_root, "raw_reviews", landing.RawReviews)
    row_reconciliation = upstream_document(data_root, "row_reconciliation", RowReconciliation)
    cluster_model = upstream_document(data_root, "cluster_model", Model)
    challenger_model = upstream_document(data_root, "challenger_model", Challenger)
    promotion_gate = upstream_document(data_root, "promotion_gate", PromotionReport)
    segment_drift = upstream_document(data_root, "segment_drift", Drift)
    promotion_state = segments.promotion_state_after(
        previous.value.promotion_state,
        promotion_gate,
        challenger_model,
        pipeline.resolved_settings,
        drift=segment_drift,
        now=pipeline.now,
    )
    run = run_document(
        row_reconciliation=row_reconciliation,
        checks=check_records(context.instance, run_id),
        model=cluster_model,
        drift=segment_drift,
        challenger=challenger_model,
        report=promotion_gate,
        promotion_state=promotion_state,
        files={"refused": raw_reviews.refused, "skipped": raw_reviews.skipped},
    )
    predecessor = previous.value.snapshot
    provenance = Provenance(
        run_id=run_id,
        created=pipeline.now,
        code_version=CODE_VERSION,
        model_version=cluster_model.version,
        currency=raw_reviews.currency,
        inputs=tuple(batch.identity for batch in raw_reviews.batches),
        user_key_id=raw_reviews.user_key_id,
        predecessor=None if predecessor is None else predecessor.sequence,
    )
    exported = model_files(cluster_model, previous=predecessor, code_version=CODE_VERSION)
    snapshot = snapshots.publish(
        data_root.published,
        provenance,
        tables={
            table: engine.record_batches(
                table_frame(data_root.warehouse, table.name, engine).sort(*table.key), batch_rows=_BATCH_ROWS
            )
            for table in PUBLISHED_TABLES
        },
        files={RUN_FILE: json.dumps(run, indent=1).encode(), **exported},
        settings=pipeline.resolved_settings,
    )
    outcome = f"snapshot {snapshot.sequence} published"
    if promotion_state.pending:
        outcome += f"; model {promotion_state.pending.model.version} is pending approval"
    context.log.info(outcome)
    tag_run(context.instance, run_id, outcome=outcome)
    return dg.MaterializeResult(metadata=snapshot_metadata(snapshot, raw_reviews, row_reconciliation, data_root))


@dg.asset_check(asset=published_segments, description="The snapshot is intact: every hash matches.")
def snapshot_is_intact(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Reads the published snapshot as any reader does, and fails if a hash differs."""
    try:
        snapshot = snapshots.read_latest(pipeline.data_root.root)
    except SnapshotError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    return dg.AssetCheckResult(passed=True, metadata={"snapshot": snapshot.sequence})
