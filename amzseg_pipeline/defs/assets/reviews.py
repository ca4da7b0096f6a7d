"""The reviews stage: from the landing zone to one row per review.

What a valid review is stands in steps/reviews/; how exports are read in storage/landing/.
"""

from collections.abc import Iterator

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, ITEMS, RAW_REVIEWS, REJECTED_ITEMS, REJECTED_REVIEWS
from amzseg_pipeline.defs.change_detection import comparison
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.defs.ui_metadata.described import described_table
from amzseg_pipeline.defs.ui_metadata.landing import landing_lines, landing_metadata
from amzseg_pipeline.steps import reviews, segments
from amzseg_pipeline.steps.pseudonyms import check_user_ids
from amzseg_pipeline.storage import landing, snapshots
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.previous_run import previous_run
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews, deduplicated_reviews
from amzseg_pipeline.storage.warehouse.partitioning import partitioned_reviews
from amzseg_pipeline.storage.warehouse.stage import Stage


@dg.asset(**described_table(RAW_REVIEWS, stage="reviews", kinds={"python"}), output_required=False)
def raw_reviews(
    context: dg.AssetExecutionContext, pipeline: PipelineResource
) -> Iterator[dg.Output[landing.RawReviews]]:
    """Reads new exports; gives nothing, so that all downstream is skipped, where nothing changed since the snapshot."""
    now = pipeline.time.timestamp()
    manifest = snapshots.latest_manifest(pipeline.data_root.published)
    last_key_id = manifest.get("user_key_id") if manifest else None
    if pipeline.approve:
        last = previous_run(pipeline.data_root)
        segments.approved_report(pipeline.approve, last.champion, last.promotion_state)
    check_user_ids(pipeline.values.user_ids, pipeline.user_key, last_key_id=last_key_id)
    raw = landing.raw_reviews(
        pipeline.data_root, pipeline.values, now=now, settle=pipeline.settle, user_key=pipeline.user_key
    )
    found = comparison(
        pipeline,
        batches={batch.path: batch.sha256 for batch in raw.batches},
        settling=[left.path for left in raw.left if left.is_settling],
    )
    for line in landing_lines(raw):
        context.log.info(line)
    if found.reason_to_skip and not pipeline.asked_for:
        context.log.info(f"{found.reason_to_skip}: nothing to do")
        tag_run(context.instance, context.run.run_id, outcome=found.reason_to_skip)
        return
    changes = found.words or f"none: {pipeline.asked_for}"
    tag_run(context.instance, context.run.run_id, changes=changes)
    yield dg.Output(raw, metadata={"changes": changes, **landing_metadata(raw, known=found.known_batches)})


@dg.asset_check(asset=raw_reviews, blocking=True, description="There is at least one row.")
def has_rows(raw: landing.RawReviews) -> dg.AssetCheckResult:
    """Fails where exports hold records but no review."""
    return dg.AssetCheckResult(passed=raw.rows > 0, metadata={"rows": raw.rows})


@dg.multi_asset(
    outs={
        "items": dg.AssetOut(**described_table(ITEMS, stage="reviews", kinds={"duckdb"})),
        "rejected_items": dg.AssetOut(**described_table(REJECTED_ITEMS, stage="reviews", kinds={"duckdb"})),
    }
)
def validated_items(
    raw_reviews: landing.RawReviews, engine: dg.ResourceParam[Engine]
) -> Iterator[dg.Output[nw.LazyFrame]]:
    """One pass over the items' metadata makes both tables; both are empty where there is none."""
    raw_items = landing.raw_items_frame(raw_reviews.reviews, raw_reviews.items, engine)
    checked = engine.staged(reviews.validated_items(raw_items))
    yield dg.Output(reviews.items(checked), "items")
    yield dg.Output(reviews.rejected_items(checked), "rejected_items")


@dg.asset_check(
    asset="items",
    additional_ins={"raw_reviews": dg.AssetIn("raw_reviews"), "rejected_items": dg.AssetIn("rejected_items")},
    blocking=True,
    description="Metadata records = items + duplicates + rejected, and the rejection rate is below max_rejected_share.",
)
def item_reconciliation(
    raw_reviews: landing.RawReviews, items: nw.LazyFrame, rejected_items: nw.LazyFrame, pipeline: PipelineResource
) -> dg.AssetCheckResult:
    """Prices that are none are counted and stop nothing: the sources are full of them."""
    row_reconciliation = reviews.item_reconciliation(
        raw_rows=raw_reviews.item_rows, items=items, rejected=rejected_items
    )
    rejected = row_reconciliation.loss_rates["rejected"]
    return dg.AssetCheckResult(
        passed=row_reconciliation.reconciles and rejected < pipeline.values.max_rejected_share,
        description=f"{row_reconciliation.summary}; {rejected:.1%} are rejected",
        metadata={**row_reconciliation.rejected, **row_reconciliation.unreadable},
    )


@dg.multi_asset(
    outs={
        "cleaned_reviews": dg.AssetOut(**described_table(CLEANED_REVIEWS, stage="reviews", kinds={"duckdb"})),
        "rejected_reviews": dg.AssetOut(**described_table(REJECTED_REVIEWS, stage="reviews", kinds={"duckdb"})),
    }
)
def validated_reviews(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    items: nw.LazyFrame,
    engine: dg.ResourceParam[Engine],
    pipeline: PipelineResource,
) -> Iterator[dg.Output[CleanedReviews] | dg.Output[TableParts]]:
    """One pass over every new batch makes both tables, bucket by bucket; then copies are settled in each bucket."""
    warehouse, settings = pipeline.data_root.warehouse, pipeline.values
    stage = Stage(engine, warehouse, CODE_VERSIONS["reviews"], settings, log=context.log.info)
    partitioned = partitioned_reviews(raw_reviews, items, stage)
    read = {"buckets": partitioned.buckets, "rows_read": partitioned.new_rows}
    yield dg.Output(deduplicated_reviews(partitioned, stage), "cleaned_reviews", metadata=read)
    yield dg.Output(partitioned.rejected, "rejected_reviews")


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "rows_reconcile",
            asset="cleaned_reviews",
            additional_deps=["raw_reviews", "rejected_reviews"],
            blocking=True,
            description="Raw rows = cleaned reviews + duplicates + rejected rows.",
        ),
        dg.AssetCheckSpec(
            "rejection_rate",
            asset="cleaned_reviews",
            additional_deps=["raw_reviews", "rejected_reviews"],
            blocking=True,
            description="Rejected rows, and unreadable values of a column, are below max_rejected_share.",
        ),
        dg.AssetCheckSpec(
            "row_count_in_range",
            asset="cleaned_reviews",
            additional_deps=["raw_reviews", "rejected_reviews"],
            blocking=True,
            description="There are min_rows_share to max_rows_share as many cleaned reviews as in the last snapshot.",
        ),
    ],
    can_subset=False,
)
def review_reconciliation(
    raw_reviews: landing.RawReviews,
    cleaned_reviews: nw.LazyFrame,
    rejected_reviews: nw.LazyFrame,
    pipeline: PipelineResource,
) -> Iterator[dg.AssetCheckResult]:
    """All of them from one count."""
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=raw_reviews.rows, cleaned=cleaned_reviews, rejected=rejected_reviews
    )
    settings = pipeline.values
    limit = settings.max_rejected_share
    yield dg.AssetCheckResult(
        check_name="rows_reconcile",
        passed=row_reconciliation.reconciles,
        description=row_reconciliation.summary,
        metadata={
            "raw": row_reconciliation.raw,
            "cleaned": row_reconciliation.cleaned,
            "duplicates": row_reconciliation.duplicates,
            **row_reconciliation.rejected,
        },
    )
    shares = row_reconciliation.loss_rates
    too_many = [f"{name} {share:.1%}" for name, share in shares.items() if not share < limit]
    yield dg.AssetCheckResult(
        check_name="rejection_rate",
        passed=not too_many,
        description=f"{', '.join(too_many) or 'all shares are below'}; the limit is {limit:.1%}",
        metadata=shares,
    )
    last = _last_cleaned(pipeline)
    band = reviews.RowCountRange(row_reconciliation.cleaned, last, settings.min_rows_share, settings.max_rows_share)
    yield dg.AssetCheckResult(
        check_name="row_count_in_range", passed=band.contains_count, description=band.summary, metadata=band.metadata
    )


items_contract = contract_check(ITEMS, may_be_empty=True, search_repeats=False)
rejected_items_contract = contract_check(REJECTED_ITEMS, may_be_empty=True)
cleaned_reviews_contract = contract_check(CLEANED_REVIEWS, search_repeats=False)
rejected_reviews_contract = contract_check(REJECTED_REVIEWS, may_be_empty=True)


def _last_cleaned(pipeline: PipelineResource) -> int | None:
    """The cleaned reviews of the last snapshot; None where there is none, or it was made of samples alone."""
    root = pipeline.data_root.root
    if not snapshots.has_snapshot(root):
        return None
    last = snapshots.read_latest(root, verify=False)
    if all(landing.is_sample(batch["path"]) for batch in last.inputs):
        return None
    return int(last.run()["row_reconciliation"]["cleaned"])
