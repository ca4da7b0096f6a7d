"""From cleaned reviews to the behaviour of each user."""

import narwhals as nw

from amzseg_pipeline.contracts.users import USER_FEATURES

_COUNTS = ("total_reviews", "rated_reviews", "discounted_reviews", "priced_reviews")
_SUMS = ("rating_tenths_sum", "discount_bp_sum", "paid_minor_sum")


def user_features(cleaned_reviews: nw.LazyFrame) -> nw.LazyFrame:
    """One row per user: integer counts and sums over all their reviews, and the five features taken from them last.

    A mean of no values is null, and so is the engagement of a user without a rating.
    """
    sums = (
        cleaned_reviews.group_by("user_id")
        .agg(
            user_hash=nw.col("user_hash").min(),
            total_reviews=nw.len(),
            rated_reviews=nw.col("rating_tenths").count(),
            discounted_reviews=nw.col("discount_bp").count(),
            priced_reviews=nw.col("paid_minor").count(),
            rating_tenths_sum=nw.col("rating_tenths").sum(),
            discount_bp_sum=nw.col("discount_bp").sum(),
            paid_minor_sum=nw.col("paid_minor").sum(),
            first_reviewed_at_ms=nw.col("reviewed_at_ms").min(),
            last_reviewed_at_ms=nw.col("reviewed_at_ms").max(),
        )
        .with_columns(nw.col(*_COUNTS, *_SUMS).fill_null(0).cast(nw.Int64))
    )
    means = sums.with_columns(
        avg_rating=_mean("rating_tenths_sum", "rated_reviews", per_unit=10),
        avg_discount=_mean("discount_bp_sum", "discounted_reviews", per_unit=100),
        avg_spend=_mean("paid_minor_sum", "priced_reviews", per_unit=100),
    )
    engaged = means.with_columns(engagement_score=nw.col("total_reviews").cast(nw.Float64) * nw.col("avg_rating"))
    return engaged.select(USER_FEATURES.column_names)


def _mean(total: str, values: str, *, per_unit: int) -> nw.Expr:
    known = nw.when(nw.col(values) > 0).then(nw.col(values)).cast(nw.Float64)
    return nw.col(total).cast(nw.Float64) / (known * per_unit)
