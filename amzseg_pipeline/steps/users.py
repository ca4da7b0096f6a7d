"""User features: integer sums over the reviews of each user, and the features computed from these sums.

Everything that is summed is an integer, so results do not depend on row order, file split, batch order or library. The
sums do not depend on the date of the run, so they are stored and merged; what depends on it (recency, tenure, decayed
engagement, lifecycle) is computed when features are.
"""

import math
from collections.abc import Sequence
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

SUMMED = (
    *("total_reviews", "rated_reviews", "discounted_reviews", "priced_reviews", "future_reviews"),
    *("rating_tenths_sum", "rating_square_sum", "discount_bp_sum", "discount_square_sum"),
    *("paid_minor_sum", "log_paid_sum", "log_paid_square_sum", "recent_units", "recent_reviews"),
)
"""The measures of a review that are summed per user; of the times the first and the last are kept."""

_DAY_MS = 86_400_000
_REFERENCE_DAYS = 10 * HALF_LIFE_DAYS
_WEIGHT_UNITS = 110_192_001 / 7
"""Weights are rounded to integer units, so that their sums are exact. With this unit no weight is so close to a half
that the last bit of a library's exponential decides how it is rounded (a test tries all days). A sum of weights fits
int64 for ten million reviews of one user."""


def as_of_date(newest_reviewed_at_ms: int | None, *, run_date: date) -> date:
    """The date that ages are counted to: that of the newest review, at most `run_date`; `run_date` without dates."""
    if newest_reviewed_at_ms is None:
        return run_date
    return min(run_date, datetime.fromtimestamp(newest_reviewed_at_ms / 1000, UTC).date())


def reference_day(as_of: date) -> int:
    """The day, counted from 1970-01-01, that stored weights refer to; it changes every 1,800 days."""
    return _day_number(as_of) // _REFERENCE_DAYS * _REFERENCE_DAYS


def user_features(cleaned_reviews: nw.LazyFrame, *, as_of: date) -> nw.LazyFrame:
    """One row per user: counts and sums over their reviews, and the features computed from them.

    A mean of no values is null, and so are the engagement of a user without a rating and the lifecycle of a user
    without a date. Reviews dated after `as_of` count as of that day.
    """
    reference = reference_day(as_of)
    measures = review_measures(cleaned_reviews, reference=reference, as_of=as_of)
    return user_features_from_sums(user_sums(measures), as_of=as_of, reference=reference)


def review_measures(reviews: nw.LazyFrame, *, reference: int, as_of: date) -> nw.LazyFrame:
    """The integers of each review that are aggregated per user: user_id, user_hash, SUMMED, reviewed_at_ms and month.

    Args:
        reviews: Rows with the columns of CLEANED_REVIEWS that features need.
        reference: The day that weights refer to (reference_day).
        as_of: Reviews dated later count as of this day and as future reviews.
    """
    day = _integer_quotient(nw.col("reviewed_at_ms").cast(nw.Float64), _DAY_MS)
    rating, discount = nw.col("rating_tenths"), nw.col("discount_bp")
    # Thousandths: logarithms of libraries differ by 10^-15, so that one price in 10^11 may be rounded differently.
    log_paid = _rounded(((nw.col("paid_minor").cast(nw.Float64) + 100).log() - math.log(100)) * 1000)
    last_day = _day_number(as_of)
    dated = reviews.with_columns(day=day, log_paid=log_paid).with_columns(
        future_reviews=_zero_or_one(nw.col("day") > last_day), day=_at_most("day", last_day)
    )
    weight = _weight_units(nw.col("day") - float(reference))
    measures = dated.with_columns(
        total_reviews=nw.lit(1).cast(nw.Int64),
        rated_reviews=_zero_or_one(~rating.is_null()),
        discounted_reviews=_zero_or_one(~discount.is_null()),
        priced_reviews=_zero_or_one(~nw.col("paid_minor").is_null()),
        rating_tenths_sum=rating.fill_null(0),
        rating_square_sum=(rating * rating).fill_null(0),
        discount_bp_sum=discount.fill_null(0),
        discount_square_sum=(discount * discount).fill_null(0),
        paid_minor_sum=nw.col("paid_minor").fill_null(0),
        log_paid_sum=nw.col("log_paid").fill_null(0),
        log_paid_square_sum=(nw.col("log_paid") * nw.col("log_paid")).fill_null(0),
        recent_units=(rating * weight).fill_null(0),
        recent_reviews=_zero_or_one(~(rating.is_null() | nw.col("day").is_null())),
        month=_month_number(nw.col("day")).cast(nw.Int64),
    )
    return measures.select("user_id", "user_hash", *SUMMED, "reviewed_at_ms", "month")


def user_sums(measures: nw.LazyFrame) -> nw.LazyFrame:
    """One row per user: SUMMED, the first and last review, and the number of months with a review."""
    undated = _zero_or_one(nw.col("month").is_null())
    return (
        measures.with_columns(undated=undated)
        .group_by("user_id")
        .agg(
            user_hash=nw.col("user_hash").min(),
            **{name: nw.col(name).sum() for name in SUMMED},
            first_reviewed_at_ms=nw.col("reviewed_at_ms").min(),
            last_reviewed_at_ms=nw.col("reviewed_at_ms").max(),
            months=nw.col("month").n_unique(),
            undated=nw.col("undated").max(),
        )
        # Null counts as one distinct month.
        .with_columns(nw.col(*SUMMED).cast(nw.Int64), active_months=nw.col("months") - nw.col("undated"))
    )


def user_features_from_sums(
    sums: nw.LazyFrame, *, as_of: date, reference: int, kept: Sequence[str] = ()
) -> nw.LazyFrame:
    """USER_FEATURES of user_sums whose measures have the same `reference`, and the columns `kept` of `sums`.

    Users with reviews dated after `as_of` need measures with the same `as_of`.
    """
    as_of_day = _day_number(as_of)
    recent_divisor = 50 * _WEIGHT_UNITS * 2.0 ** ((as_of_day - reference) / HALF_LIFE_DAYS)
    features = (
        sums.with_columns(
            first_day=_integer_quotient(nw.col("first_reviewed_at_ms").cast(nw.Float64), _DAY_MS),
            last_day=_integer_quotient(nw.col("last_reviewed_at_ms").cast(nw.Float64), _DAY_MS),
        )
        .with_columns(
            recency_days=(nw.lit(float(as_of_day)) - _at_most("last_day", as_of_day)).cast(nw.Int64),
            tenure_days=(nw.lit(float(as_of_day)) - _at_most("first_day", as_of_day)).cast(nw.Int64),
        )
        .with_columns(
            avg_rating=_quotient("rating_tenths_sum", _if_positive("rated_reviews") * 10),
            avg_discount=_quotient("discount_bp_sum", _if_positive("discounted_reviews") * 100),
            avg_spend=_quotient("paid_minor_sum", _if_positive("priced_reviews") * 100),
            recent_engagement=_quotient("recent_units", _if_positive("recent_reviews") * 0.0 + recent_divisor),
            # Age x 0 makes it null for users without dates.
            active_months=(nw.col("recency_days") * 0 + nw.col("active_months")).cast(nw.Int64),
            lifecycle_stage=_lifecycle_stage(),
            as_of=nw.lit(as_of).cast(nw.Date()),
        )
        .with_columns(engagement_score=nw.col("total_reviews").cast(nw.Float64) * nw.col("avg_rating"))
    )
    return features.select(*USER_FEATURES.column_names, *kept)


def depends_on_date(*, as_of: date) -> nw.Expr:
    """Whether the sums of a user in USER_FEATURES contain reviews dated after `as_of`, or after their own as_of."""
    is_later = nw.col("last_reviewed_at_ms") >= (_day_number(as_of) + 1) * _DAY_MS
    return is_later.fill_null(False) | (nw.col("future_reviews") > 0)


def _weight_units(days: nw.Expr) -> nw.Expr:
    """2^(days / HALF_LIFE_DAYS) in `_WEIGHT_UNITS`; `days` are counted from the reference day."""
    return _rounded((days * (math.log(2) / HALF_LIFE_DAYS)).exp() * _WEIGHT_UNITS)


def _month_number(day: nw.Expr) -> nw.Expr:
    """The calendar month of a day counted from 1970-01-01: consecutive integers until 2100.

    Years start in March, so that the day that a leap year adds is the last of its year.
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


def _day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _at_most(column: str, maximum: int) -> nw.Expr:
    return nw.when(nw.col(column) > maximum).then(nw.lit(float(maximum))).otherwise(nw.col(column))


def _zero_or_one(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64)


def _rounded(number: nw.Expr) -> nw.Expr:
    return (number + 0.5).floor().cast(nw.Int64)


def _if_positive(column: str) -> nw.Expr:
    return nw.when(nw.col(column) > 0).then(nw.col(column)).cast(nw.Float64)


def _quotient(total: str, divisor: nw.Expr) -> nw.Expr:
    # By a column: Polars divides by a constant in multiplying by its reciprocal, which other libraries do not.
    return nw.col(total).cast(nw.Float64) / divisor


def _integer_quotient(number: nw.Expr, divisor: int) -> nw.Expr:
    """The quotient of integers, rounded down; the half keeps an inexact division away from the next integer."""
    return ((number + 0.5) / divisor).floor()
