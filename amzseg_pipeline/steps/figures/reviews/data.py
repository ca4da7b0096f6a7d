"""Data of the reviews plots: distinct combinations of values with their counts, and aggregates, of all reviews."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from amzseg_pipeline.presentation.formatting import counted, sampled

_DAY_MS = 86_400_000
_VALUE_COLUMNS = ("paid_minor", "list_minor", "discount_bp", "rating_tenths", "rating_count")
MAX_COMBINATIONS = 2_000_000
"""Combinations are about 50 bytes each, so this many take 100 MB."""


@dataclass(frozen=True)
class ReviewData:
    """Data of the plots.

    Attributes:
        values: a row per distinct combination of paid, list_price, discount (percent), stars and ratings, NaN where
            unknown, with the number of `reviews` that have it.
        categories: a row per first and second level: products, reviews, and for stars and discounts the number of
            known values (`rated`, `discounted`) and their means.
        days: reviews per day since 1970, in order.
        rejected: rows per reason.
        reviews: all reviews.
        duplicates: rows removed as duplicates.
        currency: ISO 4217 code of the prices, None without prices.
        has_product_ratings: whether ratings are mean ratings of products, not of single reviewers.
        sampled_reviews: reviews behind `values` if they are a sample, else None.
    """

    values: pd.DataFrame
    categories: pd.DataFrame
    days: pd.DataFrame
    rejected: pd.DataFrame
    reviews: int
    duplicates: int
    currency: str | None
    has_product_ratings: bool
    sampled_reviews: int | None

    def known(self, *columns: str, positive: tuple[str, ...] = ()) -> pd.DataFrame:
        """`columns` and `reviews` of the combinations with a value in each column, above 0 in the `positive` ones."""
        known = self.values[[*columns, "reviews"]].dropna()
        known = known[(known[list(positive)] > 0).all(axis=1)]
        return known.groupby(list(columns), as_index=False).sum()

    def note(self, shown: pd.DataFrame) -> str:
        """The number of reviews in a plot of the combinations `shown`."""
        return sampled(int(shown["reviews"].sum()), self.reviews, "review")

    @property
    def rating_label(self) -> str:
        """The axis title of ratings, which says whose they are."""
        return "mean rating of the product (stars)" if self.has_product_ratings else "rating (stars)"

    @property
    def scope(self) -> str:
        """A sentence that names the sample behind `values`; empty if they describe all reviews."""
        return "" if self.sampled_reviews is None else f"Sample of {counted(self.sampled_reviews, 'review')}. "


def review_data(
    cleaned_reviews: nw.LazyFrame[Any],
    rejected_reviews: nw.LazyFrame[Any],
    *,
    currency: str | None,
    has_product_ratings: bool = False,
    max_combinations: int = MAX_COMBINATIONS,
) -> ReviewData:
    """The data of the plots.

    All numbers describe all reviews. Only if there are more than `max_combinations` distinct combinations of values,
    those of the `max_combinations` reviews with the smallest user hashes are used.

    Args:
        cleaned_reviews: contracts.CLEANED_REVIEWS.
        rejected_reviews: contracts.REJECTED_REVIEWS.
        currency: ISO 4217 code of the prices.
        has_product_ratings: whether ratings are mean ratings of products.
        max_combinations: limit of distinct combinations of values.

    Returns:
        The data of the plots.
    """
    values = _frame(_combinations(cleaned_reviews).head(max_combinations + 1))
    is_sample = len(values) > max_combinations
    if is_sample:
        first = cleaned_reviews.sort("user_hash", "user_id", "review_id").head(max_combinations)
        values = _frame(_combinations(first))
    totals = _frame(cleaned_reviews.select(reviews=nw.len(), duplicates=nw.col("duplicate_count").sum())).fillna(0)
    return ReviewData(
        values=_readable(values),
        categories=_with_means(_frame(_categories(cleaned_reviews))),
        days=_frame(_days(cleaned_reviews)),
        rejected=_frame(rejected_reviews.group_by("reason").agg(rows=nw.len())),
        reviews=int(totals["reviews"].iloc[0]),
        duplicates=int(totals["duplicates"].iloc[0]),
        currency=currency,
        has_product_ratings=has_product_ratings,
        sampled_reviews=int(values["reviews"].sum()) if is_sample else None,
    )


def _combinations(reviews: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    return reviews.group_by(*_VALUE_COLUMNS).agg(reviews=nw.len())


def _readable(combinations: pd.DataFrame) -> pd.DataFrame:
    """Combinations in readable units, sorted so that floating-point sums do not depend on the engine's order."""
    number = {name: combinations[name].astype(float) for name in _VALUE_COLUMNS}
    values = pd.DataFrame(
        {
            "paid": number["paid_minor"] / 100,
            "list_price": number["list_minor"] / 100,
            "discount": number["discount_bp"] / 100,
            "stars": number["rating_tenths"] / 10,
            "ratings": number["rating_count"],
            "reviews": combinations["reviews"].astype("int64"),
        }
    )
    return values.sort_values(list(values.columns), ignore_index=True)


def _categories(reviews: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    levels = nw.concat_str(nw.col("category"), nw.lit("||")).str.split("|")
    return (
        reviews.filter(~nw.col("category").is_null())
        .with_columns(top=levels.list.get(0), second=levels.list.get(1))
        .group_by("top", "second")
        .agg(
            products=nw.col("item_id").n_unique(),
            reviews=nw.len(),
            rated=nw.col("rating_tenths").count(),
            discounted=nw.col("discount_bp").count(),
            tenths=nw.col("rating_tenths").sum(),
            basis_points=nw.col("discount_bp").sum(),
        )
    )


def _with_means(sums: pd.DataFrame) -> pd.DataFrame:
    return sums.drop(columns=["tenths", "basis_points"]).assign(
        mean_stars=(sums["tenths"].astype(float) / 10 / sums["rated"]).where(sums["rated"] > 0),
        mean_discount=(sums["basis_points"].astype(float) / 100 / sums["discounted"]).where(sums["discounted"] > 0),
    )


def _days(reviews: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    dated = reviews.filter(~nw.col("reviewed_at_ms").is_null())
    return dated.group_by((nw.col("reviewed_at_ms") // _DAY_MS).alias("day")).agg(reviews=nw.len()).sort("day")


def _frame(lazy: nw.LazyFrame[Any]) -> pd.DataFrame:
    frame: pd.DataFrame = lazy.collect("pyarrow").to_native().to_pandas()
    return frame
