"""The publish stage: the one asset that touches what others read.

How a snapshot is written whole stands in storage/snapshots/.
"""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES, RUN_FILE, Provenance
from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import checks_done, require_complete_run, tag_run
from amzseg_pipeline.defs.ui_metadata.described import described
from amzseg_pipeline.defs.ui_metadata.disk_usage import disk_use_metadata
from amzseg_pipeline.steps import reviews, segments
from amzseg_pipeline.storage import landing, snapshots
from amzseg_pipeline.storage.fs.write_lease import require_lease
from amzseg_pipeline.storage.parquet.tables import record_batches, table_path
from amzseg_pipeline.storage.previous_run import PROMOTION_STATE_KEY, previous_run
from amzseg_pipeline.storage.snapshots.layout import snapshot_names
from amzseg_pipeline.storage.snapshots.model_files import model_files


@dg.asset(
    **described(
        "What others read: an immutable snapshot of segments, profiles and model, and the pointer to it.",
        stage="publish",
        kinds={"parquet", "json"},
    ),
    deps=[table.name for table in PUBLISHED_TABLES],
    # Nights without anything new publish nothing, so a healthy asset ages as well.
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(days=3), fail_window=timedelta(days=8)),
)
def published_segments(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    cleaned_reviews: nw.LazyFrame,
    rejected_reviews: nw.LazyFrame,
    cluster_model: Model,
    segment_drift: Drift,
    challenger_model: Challenger,
    promotion_gate: PromotionReport,
    pipeline: PipelineResource,
) -> dg.MaterializeResult:
    """Publishes the checked tables; until the pointer moves, readers see the last snapshot."""
    require_complete_run(context)
    data_root = pipeline.data_root
    require_lease(data_root.warehouse, context.run.run_id)
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=raw_reviews.rows, cleaned=cleaned_reviews, rejected=rejected_reviews
    )
    promotion_state = segments.promotion_state_after(
        previous_run(data_root).promotion_state, promotion_gate, challenger_model, pipeline.values
    )
    run = {
        "row_reconciliation": asdict(row_reconciliation),
        "checks": _checks(context),
        "k": asdict(cluster_model.choice),
        "drift": asdict(segment_drift),
        "challenger": {**asdict(challenger_model), "model": promotion_gate.challenger},
        "promotion": asdict(promotion_gate),
        PROMOTION_STATE_KEY: segments.document(promotion_state),
        "refused": [asdict(file) for file in raw_reviews.refused],
        "left": [asdict(file) for file in raw_reviews.left],
    }
    snapshot = snapshots.publish(
        data_root.published,
        Provenance(
            run_id=context.run.run_id,
            created=pipeline.time,
            code_version=CODE_VERSION,
            model_version=cluster_model.version,
            currency=raw_reviews.currency,
            inputs=tuple(batch.identity for batch in raw_reviews.batches),
            user_key_id=raw_reviews.user_key_id,
        ),
        tables={table: record_batches(table_path(data_root.warehouse, table.name)) for table in PUBLISHED_TABLES},
        files={RUN_FILE: json.dumps(run, indent=1).encode(), **model_files(cluster_model)},
        settings=pipeline.values,
    )
    tag_run(context.instance, context.run.run_id, outcome=f"published snapshot {snapshot.sequence}")
    return dg.MaterializeResult(
        metadata={
            "dagster/uri": snapshot.path.as_uri(),
            "snapshot": snapshot.sequence,
            "segments": dg.MetadataValue.md(_segments(snapshot)),
            "model_version": snapshot.model_version,
            "row_reconciliation": row_reconciliation.summary,
            "cleaned_reviews": row_reconciliation.cleaned,
            "rejected_share": row_reconciliation.loss_rates["rejected"],
            "files_read": len(raw_reviews.batches),
            "files_refused": len(raw_reviews.refused),
            "files_left": len(raw_reviews.left),
            **{f"rows of {table.name}": snapshot.rows(table.name) for table in PUBLISHED_TABLES},
            "snapshots_kept": len(snapshot_names(data_root.published)),
            **disk_use_metadata(data_root),
        }
    )


@dg.asset_check(asset=published_segments, description="Readers get the snapshot whole: every hash is right.")
def snapshot_is_intact(pipeline: PipelineResource) -> dg.AssetCheckResult:
    """Reads what was published as any reader does."""
    snapshot = snapshots.read_latest(pipeline.data_root.root)
    return dg.AssetCheckResult(passed=True, metadata={"snapshot": snapshot.sequence})


def _checks(context: dg.AssetExecutionContext) -> list[dict[str, Any]]:
    """The checks this run has done so far, each with whether it passed."""
    return [
        {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "passed": check.passed,
            "blocking": check.blocking,
            "description": check.description,
        }
        for check in checks_done(context.instance, context.run.run_id)
    ]


def _segments(snapshot: snapshots.Snapshot) -> str:
    rows = [
        f"| {segment.segment_id} | {segment.segment_name} | {segment.users:,} | {segment.share:.1%} |"
        for segment in snapshot.segment_profiles().itertuples()
    ]
    return "\n".join(["| segment | name | users | share |", "|---|---|---:|---:|", *rows])
