"""Shrinkage of means of few reviews towards the mean of all reviews: empirical Bayes from the sums of all users."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import narwhals as nw

from amzseg_pipeline.contracts.model import Shrinkage

MIN_REVIEWS = 0.1
MAX_REVIEWS = 50.0
UNKNOWN_REVIEWS = 5.0
"""Weight of the prior if it cannot be estimated: no user has two values, or all values are equal."""

MOMENT_COLUMNS = {
    "avg_rating": ("rated_reviews", "rating_tenths_sum", "rating_square_sum", 10),
    "avg_discount": ("discounted_reviews", "discount_bp_sum", "discount_square_sum", 100),
    "avg_spend": ("priced_reviews", "log_paid_sum", "log_paid_square_sum", 1000),
}
"""Feature -> its columns of user_features (count, sum, sum of squares), and the sum's units per unit of the feature."""

_MILLION = 10**6


def shrinkages(user_features: nw.LazyFrame[Any]) -> dict[str, Shrinkage]:
    """The shrinkage of avg_rating, avg_discount and ln(1 + price), for each that has a value.

    The prior mean is that of all reviews. Its weight in reviews is the variance within users over the variance between
    users, by the method of moments for unbalanced one-way random effects (Searle, Casella and McCulloch 1992), clipped
    to 0.1 to 50. All sums are integers, so the result does not depend on order, engine or split.
    """
    (row,) = (
        user_features.select(*(sums for name in MOMENT_COLUMNS for sums in _totals(name)))
        .collect("pyarrow")
        .rows(named=True)
    )
    totals = {name: {part: int(row[f"{name}_{part}"] or 0) for part in _PARTS} for name in MOMENT_COLUMNS}
    return {
        name: _shrinkage(total, per_unit=MOMENT_COLUMNS[name][3]) for name, total in totals.items() if total["users"]
    }


_PARTS = ("users", "reviews", "squared_reviews", "sum", "squares", "between", "between_millionths")


def _totals(name: str) -> list[nw.Expr]:
    count, total, squares = (nw.col(column) for column in MOMENT_COLUMNS[name][:3])
    known = nw.when(count > 0)
    between = total.cast(nw.Float64) * total.cast(nw.Float64) / known.then(count).cast(nw.Float64)
    millionths = ((between - between.floor()) * _MILLION + 0.5).floor()
    parts = (
        known.then(1).otherwise(0),
        count,
        count * count,
        total,
        squares,
        between.floor().fill_null(0.0).cast(nw.Int64),
        millionths.fill_null(0.0).cast(nw.Int64),
    )
    return [part.sum().alias(f"{name}_{suffix}") for suffix, part in zip(_PARTS, parts, strict=True)]


def _shrinkage(total: Mapping[str, int], *, per_unit: int) -> Shrinkage:
    """The shrinkage from the totals of _PARTS."""
    users, reviews = total["users"], total["reviews"]
    squares_of_means = total["between"] + Fraction(total["between_millionths"], _MILLION)
    mean = Fraction(total["sum"], reviews)
    return Shrinkage(
        mean=float(mean / per_unit),
        reviews=_prior_reviews(
            users=users,
            reviews=reviews,
            effective_reviews=reviews - Fraction(total["squared_reviews"], reviews),
            within=max(total["squares"] - squares_of_means, Fraction(0)),
            between=squares_of_means - mean * total["sum"],
        ),
    )


def _prior_reviews(
    *, users: int, reviews: int, effective_reviews: Fraction, within: Fraction, between: Fraction
) -> float:
    if users < 2 or reviews == users:
        return UNKNOWN_REVIEWS
    within_mean = within / (reviews - users)
    variance_between = (between - (users - 1) * within_mean) / effective_reviews
    if variance_between <= 0:
        return MAX_REVIEWS if within_mean else UNKNOWN_REVIEWS
    return min(max(float(within_mean / variance_between), MIN_REVIEWS), MAX_REVIEWS)
