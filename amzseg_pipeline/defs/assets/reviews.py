"""The reviews stage: from the landing zone to one row per review.

steps/reviews/ defines what a valid review is; storage/landing/ reads the exports.
"""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, ITEMS, RAW_REVIEWS, REJECTED_ITEMS, REJECTED_REVIEWS
from amzseg_pipeline.defs.change_detection import check_request, raw_review_changes
from amzseg_pipeline.defs.checks import contract_check, parts_contract_check
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS
from amzseg_pipeline.defs.previous_run import PreviousRunResource
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import keep_check_results, tag_run
from amzseg_pipeline.defs.ui_metadata import (
    document_asset_arguments,
    landing_log_lines,
    landing_metadata,
    table_asset_arguments,
)
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.landing.values.column import quoted
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.catalog import table_frame
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews, deduplicated_reviews
from amzseg_pipeline.storage.warehouse.items import item_tables
from amzseg_pipeline.storage.warehouse.partitioning import partitioned_reviews
from amzseg_pipeline.storage.warehouse.tasks import function_results

_RECONCILIATION_IN = {"row_reconciliation": dg.AssetIn("row_reconciliation")}


@dg.asset(**table_asset_arguments(RAW_REVIEWS, stage="reviews", kinds={"python"}), output_required=False)
def raw_reviews(
    context: dg.AssetExecutionContext, pipeline: PipelineResource, engine: dg.ResourceParam[Engine]
) -> Iterator[dg.Output[landing.RawReviews]]:
    """Reads new exports. If nothing changed since the latest snapshot, it yields no output: Dagster skips the rest."""
    check_request(pipeline)
    warehouse, settings = pipeline.data_root.warehouse, pipeline.resolved_settings
    build = BuildContext(engine, warehouse, CODE_VERSIONS["reviews"], settings, log=context.log.info)
    raw = landing.raw_reviews(
        pipeline.data_root,
        settings,
        now=pipeline.now.timestamp(),
        skip_settling=pipeline.skip_settling,
        user_key=pipeline.user_key,
        run=partial(function_results, build=build),
    )
    for line in landing_log_lines(raw):
        context.log.info(line)
    found = raw_review_changes(pipeline, raw)
    if found.reason_to_skip and not pipeline.request_reason:
        context.log.info(f"{found.reason_to_skip}: nothing to do")
        tag_run(context.instance, context.run.run_id, outcome=found.reason_to_skip)
        keep_check_results(context.instance, context.run.run_id)
        return
    changes = "; ".join(found.changes) or f"none: {pipeline.request_reason}"
    tag_run(context.instance, context.run.run_id, changes=changes)
    yield dg.Output(raw, metadata={"changes": changes, **landing_metadata(raw, known_sha256=found.known_sha256)})


@dg.asset_check(asset=raw_reviews, blocking=True, description="There is at least one row.")
def has_rows(raw: landing.RawReviews) -> dg.AssetCheckResult:
    """Fails if exports hold records but no review."""
    return dg.AssetCheckResult(passed=raw.rows > 0, metadata={"rows": raw.rows})


@dg.multi_asset(
    outs={
        "items": dg.AssetOut(**table_asset_arguments(ITEMS, stage="reviews", kinds={"duckdb"})),
        "rejected_items": dg.AssetOut(**table_asset_arguments(REJECTED_ITEMS, stage="reviews", kinds={"duckdb"})),
    }
)
def validated_items(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    engine: dg.ResourceParam[Engine],
    pipeline: PipelineResource,
) -> Iterator[dg.Output[TableParts]]:
    """Makes both tables in one pass over the item metadata, and reuses them until the metadata changes."""
    warehouse, settings = pipeline.data_root.warehouse, pipeline.resolved_settings
    build = BuildContext(engine, warehouse, CODE_VERSIONS["reviews"], settings, log=context.log.info)
    items, rejected = item_tables(raw_reviews, build)
    yield dg.Output(items, "items")
    yield dg.Output(rejected, "rejected_items")


@dg.asset_check(
    asset="items",
    additional_ins={"raw_reviews": dg.AssetIn("raw_reviews"), "rejected_items": dg.AssetIn("rejected_items")},
    blocking=True,
    description="Metadata records = items + duplicates + rejected, and the rejection rate is below max_rejected_share.",
)
def item_reconciliation(
    raw_reviews: landing.RawReviews, items: nw.LazyFrame, rejected_items: nw.LazyFrame, pipeline: PipelineResource
) -> dg.AssetCheckResult:
    """Counts unreadable prices without failing: the sources are full of them."""
    counts = reviews.item_reconciliation(raw_rows=raw_reviews.item_rows, items=items, rejected=rejected_items)
    rejected = counts.loss_rates["rejected"]
    return dg.AssetCheckResult(
        passed=counts.reconciles and rejected < pipeline.resolved_settings.max_rejected_share,
        description=f"{counts.summary}; {rejected:.1%} are rejected",
        metadata={**counts.rejected_by_reason, **counts.unreadable},
    )


@dg.multi_asset(
    outs={
        "cleaned_reviews": dg.AssetOut(**table_asset_arguments(CLEANED_REVIEWS, stage="reviews", kinds={"duckdb"})),
        "rejected_reviews": dg.AssetOut(**table_asset_arguments(REJECTED_REVIEWS, stage="reviews", kinds={"duckdb"})),
        "row_reconciliation": dg.AssetOut(
            **document_asset_arguments("Raw rows = cleaned + duplicates + rejected.", stage="reviews", kinds={"json"})
        ),
    },
    deps=["items"],  # each worker loads the table itself
)
def validated_reviews(
    context: dg.AssetExecutionContext,
    raw_reviews: landing.RawReviews,
    engine: dg.ResourceParam[Engine],
    pipeline: PipelineResource,
) -> Iterator[dg.Output[CleanedReviews] | dg.Output[TableParts] | dg.Output[reviews.RowReconciliation]]:
    """Partitions new batches into buckets in one pass, deduplicates each bucket, and counts the stored rows once."""
    warehouse, settings = pipeline.data_root.warehouse, pipeline.resolved_settings
    build = BuildContext(engine, warehouse, CODE_VERSIONS["reviews"], settings, log=context.log.info)
    partitioned = partitioned_reviews(raw_reviews, partial(table_frame, warehouse, "items"), build)
    as_of = users.as_of_date(partitioned.newest_reviewed_at_ms, run_date=pipeline.now.date())
    cleaned = deduplicated_reviews(partitioned, build, as_of=as_of)
    yield dg.Output(
        cleaned,
        "cleaned_reviews",
        metadata={"buckets": partitioned.buckets, "rows_read": partitioned.new_rows, "as_of": as_of.isoformat()},
    )
    yield dg.Output(partitioned.rejected, "rejected_reviews")
    counts = reviews.row_reconciliation(
        raw_rows=raw_reviews.rows, cleaned=cleaned.frame(engine), rejected=engine.scan(partitioned.rejected.paths)
    )
    yield dg.Output(counts, "row_reconciliation", metadata={"rows": counts.summary})


@dg.asset_check(
    asset="cleaned_reviews",
    additional_ins=_RECONCILIATION_IN,
    blocking=True,
    description="Raw rows = cleaned reviews + duplicates + rejected rows.",
)
def rows_reconcile(row_reconciliation: reviews.RowReconciliation) -> dg.AssetCheckResult:
    """Fails if a row was lost or added."""
    counts = row_reconciliation
    return dg.AssetCheckResult(
        passed=counts.reconciles,
        description=counts.summary,
        metadata={
            "raw": counts.raw,
            "cleaned": counts.cleaned,
            "duplicates": counts.duplicates,
            **counts.rejected_by_reason,
        },
    )


@dg.asset_check(
    asset="cleaned_reviews",
    additional_ins={
        **_RECONCILIATION_IN,
        **{name: dg.AssetIn(name) for name in ("raw_reviews", "rejected_reviews")},
    },
    blocking=True,
    description="Rejected rows, and unreadable values of each column, are below max_rejected_share.",
)
def rejection_rate(
    row_reconciliation: reviews.RowReconciliation,
    raw_reviews: landing.RawReviews,
    rejected_reviews: nw.LazyFrame,
    engine: dg.ResourceParam[Engine],
    pipeline: PipelineResource,
) -> dg.AssetCheckResult:
    """Fails with every share that is too large, and examples of what cannot be read."""
    limit, shares = pipeline.resolved_settings.max_rejected_share, row_reconciliation.loss_rates
    too_large = {name: f"{name} {share:.1%}" for name, share in shares.items() if not share < limit}
    if "rejected" in too_large:
        too_large["rejected"] += f" ({'; '.join(reviews.rejected_examples(rejected_reviews))})"
    columns = [name.removeprefix("unreadable ") for name in too_large if name != "rejected"]
    if columns:
        validated = reviews.validated_reviews(landing.raw_reviews_frame(raw_reviews.reviews, engine))
        for column, examples in reviews.unreadable_examples(validated, columns).items():
            too_large[f"unreadable {column}"] += f" (not {reviews.RULE_NAMES[column]}, such as {quoted(examples)})"
    return dg.AssetCheckResult(
        passed=not too_large,
        description=f"{', '.join(too_large.values()) or 'all shares are below'}; the limit is {limit:.1%}",
        metadata=shares,
    )


@dg.asset_check(
    asset="cleaned_reviews",
    additional_ins=_RECONCILIATION_IN,
    blocking=True,
    description="Cleaned reviews are min_rows_share to max_rows_share times those of the previous snapshot.",
)
def row_count_in_range(
    row_reconciliation: reviews.RowReconciliation, pipeline: PipelineResource, previous: PreviousRunResource
) -> dg.AssetCheckResult:
    """Fails if the landing zone lost or gained suspiciously many reviews. A snapshot of samples only is ignored."""
    settings, snapshot = pipeline.resolved_settings, previous.value.snapshot
    is_comparable = snapshot is not None and not all(landing.is_sample(batch["path"]) for batch in snapshot.inputs)
    before = int(snapshot.run()["row_reconciliation"]["cleaned"]) if snapshot and is_comparable else None
    counts = reviews.RowCountRange(row_reconciliation.cleaned, before, settings.min_rows_share, settings.max_rows_share)
    return dg.AssetCheckResult(passed=counts.contains_count, description=counts.summary, metadata=counts.metadata)


items_contract = parts_contract_check(ITEMS, TableParts, may_be_empty=True)
rejected_items_contract = contract_check(REJECTED_ITEMS, may_be_empty=True)
cleaned_reviews_contract = parts_contract_check(CLEANED_REVIEWS, CleanedReviews)
rejected_reviews_contract = contract_check(REJECTED_REVIEWS, may_be_empty=True)
