"""The users stage: the features of each user, computed in steps/users.py."""

import dagster as dg
import narwhals as nw

from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.defs.checks import contract_check
from amzseg_pipeline.defs.ui_metadata import table_asset_arguments
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews
from amzseg_pipeline.storage.warehouse.cleaned_reviews import user_features as features_of


@dg.asset(**table_asset_arguments(USER_FEATURES, stage="users", kinds={"duckdb"}))
def user_features(cleaned_reviews: CleanedReviews) -> TableParts:
    """Sums per user, and the features computed from them: both are kept with the deduplicated reviews of a bucket."""
    return features_of(cleaned_reviews)


user_features_contract = contract_check(USER_FEATURES)


@dg.asset_check(
    asset=user_features,
    additional_ins={"row_reconciliation": dg.AssetIn("row_reconciliation")},
    blocking=True,
    description="The reviews of all users add up to the cleaned reviews.",
)
def every_review_counted(user_features: nw.LazyFrame, row_reconciliation: RowReconciliation) -> dg.AssetCheckResult:
    """Fails if the features miss a review or count one twice."""
    counted, reviews = _sum(user_features, "total_reviews"), row_reconciliation.cleaned
    return dg.AssetCheckResult(passed=counted == reviews, metadata={"counted": counted, "cleaned_reviews": reviews})


@dg.asset_check(
    asset=user_features,
    description="No review is dated after the day of the run; such reviews count as of that day.",
)
def no_review_from_the_future(user_features: nw.LazyFrame) -> dg.AssetCheckResult:
    """Warns that dates of the source, or the clock of this machine, are wrong."""
    future = _sum(user_features, "future_reviews")
    return dg.AssetCheckResult(
        passed=future == 0, severity=dg.AssetCheckSeverity.WARN, metadata={"future_reviews": future}
    )


def _sum(frame: nw.LazyFrame, column: str) -> int:
    return int(frame.select(nw.col(column).sum()).collect("pyarrow").item() or 0)
