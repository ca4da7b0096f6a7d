"""User features: integer sums over the reviews of each user, and the features computed from them."""

import math
from datetime import UTC, date, datetime

import narwhals as nw

from amzseg_pipeline.contracts.users import (
    ACTIVE_DAYS,
    HALF_LIFE_DAYS,
    LAPSING_DAYS,
    NEW_DAYS,
    USER_FEATURES,
    LifecycleStage,
)

_COUNTS = ("total_reviews", "rated_reviews", "discounted_reviews", "priced_reviews", "future_reviews")
_SUMS = (
    *("rating_tenths_sum", "rating_square_sum", "discount_bp_sum", "discount_square_sum"),
    *("paid_minor_sum", "log_paid_sum", "log_paid_square_sum"),
)
_DAY_MS = 86_400_000
_WEIGHT_UNITS = 10**9 / 7
"""Weights are rounded to integer units, so sums are exact. With this unit no weight is so close to a half that the last
bit of an engine's exponential decides its rounding; with 10^9 half-lives would be (a test tries all ages)."""


def as_of_date(cleaned_reviews: nw.LazyFrame, *, run_date: date) -> date:
    """The reference day of ages: the earlier of the newest review's date and the run's; the run's without dates."""
    newest = cleaned_reviews.select(nw.col("reviewed_at_ms").max()).collect("pyarrow").item()
    return run_date if newest is None else min(run_date, datetime.fromtimestamp(newest / 1000, UTC).date())


def user_features(cleaned_reviews: nw.LazyFrame, *, as_of: date) -> nw.LazyFrame:
    """USER_FEATURES: integer counts and sums over the reviews of each user, and the features computed from them.

    All sums are integers, so row order, engine and partitioning do not change the result. Null: a mean without values,
    engagement without a rating, lifecycle without a date. Reviews dated after `as_of` are treated as dated `as_of`.
    """
    sums = (
        _with_summands(cleaned_reviews, as_of_day=(as_of - date(1970, 1, 1)).days)
        .group_by("user_id")
        .agg(
            user_hash=nw.col("user_hash").min(),
            total_reviews=nw.len(),
            rated_reviews=nw.col("rating_tenths").count(),
            discounted_reviews=nw.col("discount_bp").count(),
            priced_reviews=nw.col("paid_minor").count(),
            future_reviews=nw.col("future").sum(),
            rating_tenths_sum=nw.col("rating_tenths").sum(),
            rating_square_sum=nw.col("rating_square").sum(),
            discount_bp_sum=nw.col("discount_bp").sum(),
            discount_square_sum=nw.col("discount_square").sum(),
            paid_minor_sum=nw.col("paid_minor").sum(),
            log_paid_sum=nw.col("log_paid").sum(),
            log_paid_square_sum=nw.col("log_paid_square").sum(),
            first_reviewed_at_ms=nw.col("reviewed_at_ms").min(),
            last_reviewed_at_ms=nw.col("reviewed_at_ms").max(),
            recency_days=nw.col("age_days").min(),
            tenure_days=nw.col("age_days").max(),
            months=nw.col("month").n_unique(),
            undated=nw.col("undated").max(),
            recent_units=nw.col("recent_units").sum(),
            recent_reviews=nw.col("recent_units").count(),
        )
        .with_columns(nw.col(*_COUNTS, *_SUMS).fill_null(0).cast(nw.Int64))
    )
    features = sums.with_columns(
        avg_rating=_quotient("rating_tenths_sum", _if_positive("rated_reviews") * 10),
        avg_discount=_quotient("discount_bp_sum", _if_positive("discounted_reviews") * 100),
        avg_spend=_quotient("paid_minor_sum", _if_positive("priced_reviews") * 100),
        recent_engagement=_quotient("recent_units", _if_positive("recent_reviews") * 0.0 + 50 * _WEIGHT_UNITS),
        recency_days=nw.col("recency_days").cast(nw.Int64),
        tenure_days=nw.col("tenure_days").cast(nw.Int64),
        # Age x 0 makes it null for users without dates; null counts as one distinct month.
        active_months=(nw.col("recency_days") * 0 + nw.col("months") - nw.col("undated")).cast(nw.Int64),
        lifecycle_stage=_lifecycle_stage(),
        as_of=nw.lit(as_of).cast(nw.Date()),
    )
    engaged = features.with_columns(engagement_score=nw.col("total_reviews").cast(nw.Float64) * nw.col("avg_rating"))
    return engaged.select(USER_FEATURES.column_names)


def _with_summands(cleaned_reviews: nw.LazyFrame, *, as_of_day: int) -> nw.LazyFrame:
    """The reviews with the integers that are summed; null where a value is unknown."""
    day = _integer_quotient(nw.col("reviewed_at_ms").cast(nw.Float64), _DAY_MS)
    rating, discount = nw.col("rating_tenths"), nw.col("discount_bp")
    # Thousandths: logarithms of engines differ by 10^-15, which could change the rounding of one price in 10^11.
    log_paid = _rounded(((nw.col("paid_minor").cast(nw.Float64) + 100).log() - math.log(100)) * 1000)
    return (
        cleaned_reviews.with_columns(day=day, log_paid=log_paid)
        .with_columns(
            future=nw.when(nw.col("day") > as_of_day).then(1).otherwise(0),
            undated=nw.when(nw.col("day").is_null()).then(1).otherwise(0),
            day=nw.when(nw.col("day") > as_of_day).then(nw.lit(float(as_of_day))).otherwise(nw.col("day")),
            rating_square=rating * rating,
            discount_square=discount * discount,
            log_paid_square=nw.col("log_paid") * nw.col("log_paid"),
        )
        .with_columns(age_days=nw.lit(float(as_of_day)) - nw.col("day"), month=_month_number(nw.col("day")))
        .with_columns(recent_units=rating * _weight_units(nw.col("age_days")))
    )


def _weight_units(age_days: nw.Expr) -> nw.Expr:
    """2^(-age / HALF_LIFE_DAYS), in `_WEIGHT_UNITS`."""
    return _rounded((age_days * (-math.log(2) / HALF_LIFE_DAYS)).exp() * _WEIGHT_UNITS)


def _month_number(day: nw.Expr) -> nw.Expr:
    """The calendar month of a day since 1970-01-01, as a number that grows by 1 per month until 2100.

    Years start in March, so the leap day is the last day of its year.
    """
    from_march_1968 = day + 671
    year = _integer_quotient(from_march_1968 * 4 + 3, 1461)
    day_of_year = from_march_1968 - (year * 1461 / 4).floor()
    return year * 12 + _integer_quotient(day_of_year * 5 + 2, 153)


def _lifecycle_stage() -> nw.Expr:
    recency = nw.col("recency_days")
    return nw.coalesce(
        nw.when(nw.col("tenure_days") <= NEW_DAYS).then(nw.lit(str(LifecycleStage.NEW))),
        nw.when(recency <= ACTIVE_DAYS).then(nw.lit(str(LifecycleStage.ACTIVE))),
        nw.when(recency <= LAPSING_DAYS).then(nw.lit(str(LifecycleStage.LAPSING))),
        nw.when(~recency.is_null()).then(nw.lit(str(LifecycleStage.LAPSED))),
    )


def _rounded(number: nw.Expr) -> nw.Expr:
    return (number + 0.5).floor().cast(nw.Int64)


def _if_positive(reviews: str) -> nw.Expr:
    return nw.when(nw.col(reviews) > 0).then(nw.col(reviews)).cast(nw.Float64)


def _quotient(total: str, divisor: nw.Expr) -> nw.Expr:
    # Divide by a column: Polars replaces division by a constant by multiplication, other engines do not.
    return nw.col(total).cast(nw.Float64) / divisor


def _integer_quotient(number: nw.Expr, divisor: int) -> nw.Expr:
    """The integer quotient, rounded down; the half keeps an inexact division away from the next integer."""
    return ((number + 0.5) / divisor).floor()
