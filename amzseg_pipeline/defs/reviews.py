"""The reviews stage: from the landing zone to one row per review.

What a valid review is stands in steps/reviews/; how exports are read in storage/landing/.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, RAW_REVIEWS, REJECTED_REVIEWS
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.described import described_table
from amzseg_pipeline.defs.resources import DataHome
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.steps.changes import changes_since
from amzseg_pipeline.storage import landing, snapshots
from amzseg_pipeline.storage.engines import Engine


@dg.asset(**described_table(RAW_REVIEWS, stage="reviews", kinds={"python"}), output_required=False)
def raw_reviews(context: dg.AssetExecutionContext, data_home: DataHome) -> Iterator[dg.Output[landing.RawReviews]]:
    """Reads new exports; gives nothing, so that all downstream is skipped, where nothing changed since the snapshot."""
    settings = data_home.values
    raw = landing.raw_reviews(data_home.home, settings, now=data_home.time.timestamp(), settle=False)
    changes = changes_since(
        snapshots.latest_manifest(data_home.home.published),
        batches={batch.path: batch.sha256 for batch in raw.batches},
        code_version=CODE_VERSION,
        settings_hash=settings.result_hash,
    )
    for left in raw.left:
        context.log.info(f"{left.path}: {left.reason}")
    if changes or data_home.force:
        yield dg.Output(raw, metadata={"changes": "; ".join(changes) or "none, forced", **_landing_metadata(raw)})
    else:
        context.log.info("nothing changed since the last snapshot: nothing to do")


@dg.asset_check(asset=raw_reviews, blocking=True, description="There is at least one row.")
def has_rows(raw: landing.RawReviews) -> dg.AssetCheckResult:
    """Fails where exports hold records but no review."""
    return dg.AssetCheckResult(passed=raw.rows > 0, metadata={"rows": raw.rows})


@dg.multi_asset(
    outs={
        "cleaned_reviews": dg.AssetOut(**described_table(CLEANED_REVIEWS, stage="reviews", kinds={"duckdb"})),
        "rejected_reviews": dg.AssetOut(**described_table(REJECTED_REVIEWS, stage="reviews", kinds={"duckdb"})),
    }
)
def checked_reviews(raw_reviews: nw.LazyFrame, engine: dg.ResourceParam[Engine]) -> Iterator[dg.Output[nw.LazyFrame]]:
    """One pass over the raw rows makes both tables."""
    checked = engine.staged(reviews.checked_reviews(raw_reviews))
    yield dg.Output(reviews.cleaned_reviews(checked), "cleaned_reviews")
    yield dg.Output(reviews.rejected_reviews(checked), "rejected_reviews")


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "accounts_balance",
            asset="cleaned_reviews",
            additional_deps=["raw_reviews", "rejected_reviews"],
            blocking=True,
            description="Every raw row is a cleaned review, a copy of one, or rejected.",
        ),
        dg.AssetCheckSpec(
            "few_rejected",
            asset="cleaned_reviews",
            additional_deps=["raw_reviews", "rejected_reviews"],
            blocking=True,
            description="Rejected rows, and unreadable values of a column, are below max_rejected_share.",
        ),
    ],
    can_subset=False,
)
def review_accounts(
    raw_reviews: landing.RawReviews,
    cleaned_reviews: nw.LazyFrame,
    rejected_reviews: nw.LazyFrame,
    data_home: DataHome,
) -> Iterator[dg.AssetCheckResult]:
    """Both checks from one count."""
    accounts = reviews.accounts(raw_rows=raw_reviews.rows, cleaned=cleaned_reviews, rejected=rejected_reviews)
    limit = data_home.values.max_rejected_share
    yield dg.AssetCheckResult(
        check_name="accounts_balance",
        passed=accounts.balanced,
        description=accounts.sentence,
        metadata={
            "raw": accounts.raw,
            "cleaned": accounts.cleaned,
            "duplicates": accounts.duplicates,
            **accounts.rejected,
        },
    )
    shares = accounts.lost_shares
    yield dg.AssetCheckResult(
        check_name="few_rejected",
        passed=all(share < limit for share in shares.values()),
        description=f"the limit is {limit:.1%}",
        metadata=shares,
    )


cleaned_reviews_contract = contract_check(CLEANED_REVIEWS, search_repeats=False)
rejected_reviews_contract = contract_check(REJECTED_REVIEWS, may_be_empty=True)


def _landing_metadata(raw: landing.RawReviews) -> dict[str, Any]:
    files = "\n".join(
        ["| file | format | bytes | rows |", "|---|---|---|---|"]
        + [f"| {batch.path} | {batch.format} | {batch.size_bytes:,} | {batch.rows:,} |" for batch in raw.batches]
    )
    left = "\n".join([f"- {f.path}: {f.reason}" for f in raw.left] + [f"- {f.path}: {f.reason}" for f in raw.refused])
    return {
        "files": dg.MetadataValue.md(files),
        "left": dg.MetadataValue.md(left or "none"),
        "reader_faults": sum(batch.reader_faults for batch in raw.batches),
        "currency": raw.currency or "none",
    }
