"""The users stage: what each user does, in five numbers, and how lately.

How a feature is computed stands in steps/users.py.
"""

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.ui_metadata.described import described_table
from amzseg_pipeline.steps import users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse import cleaned_reviews as buckets
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews
from amzseg_pipeline.storage.warehouse.stage import Stage


@dg.asset(**described_table(USER_FEATURES, stage="users", kinds={"duckdb"}))
def user_features(
    context: dg.AssetExecutionContext,
    cleaned_reviews: CleanedReviews,
    engine: dg.ResourceParam[Engine],
    pipeline: PipelineResource,
) -> TableParts:
    """Sums per user, and the features taken from them."""
    as_of = users.as_of_date(cleaned_reviews.frame(engine), run_date=pipeline.time.date())
    context.add_output_metadata({"as_of": as_of.isoformat()})
    stage = Stage(engine, pipeline.data_root.warehouse, CODE_VERSIONS["users"], pipeline.values, log=context.log.info)
    return buckets.user_features(cleaned_reviews, stage, as_of=as_of)


user_features_contract = contract_check(USER_FEATURES)


@dg.asset_check(
    asset=user_features,
    additional_ins={"cleaned_reviews": dg.AssetIn("cleaned_reviews")},
    blocking=True,
    description="The reviews of all users add up to the cleaned reviews.",
)
def every_review_counted(user_features: nw.LazyFrame, cleaned_reviews: nw.LazyFrame) -> dg.AssetCheckResult:
    """Fails where a review was lost or counted twice on its way to its user."""
    counted = int(user_features.select(nw.col("total_reviews").sum()).collect("pyarrow").item() or 0)
    reviews = int(cleaned_reviews.select(nw.len()).collect("pyarrow").item())
    return dg.AssetCheckResult(passed=counted == reviews, metadata={"counted": counted, "cleaned_reviews": reviews})


@dg.asset_check(
    asset=user_features,
    description="No review is dated after the run's day; those that are count as of that day.",
)
def no_review_from_the_future(user_features: nw.LazyFrame) -> dg.AssetCheckResult:
    """Warns: dates of the source, or this machine's clock, are wrong."""
    future = int(user_features.select(nw.col("future_reviews").sum()).collect("pyarrow").item() or 0)
    return dg.AssetCheckResult(
        passed=future == 0, severity=dg.AssetCheckSeverity.WARN, metadata={"future_reviews": future}
    )
