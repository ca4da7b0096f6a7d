"""Data of the reviews plots: a bounded sample of reviews, and aggregates of all reviews."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pandas as pd

from amzseg_pipeline.presentation.formatting import sampled

_DAY_MS = 86_400_000


@dataclass(frozen=True)
class ReviewData:
    """`sample` has a row per review: user_id, paid, list_price, discount (percent), stars, ratings; NaN where unknown.

    `categories` has a row per first and second level: products, reviews, and for stars and discounts the known values
    (`rated`, `discounted`) and their means. `days` has reviews per day since 1970, in their order; `rejected` has rows
    per reason.
    """

    sample: pd.DataFrame
    categories: pd.DataFrame
    days: pd.DataFrame
    rejected: pd.DataFrame
    reviews: int
    currency: str | None

    def known(self, *columns: str) -> pd.DataFrame:
        """The reviews of the sample with a value in each of `columns`."""
        return self.sample[list(columns)].dropna()

    def note(self, shown: pd.DataFrame) -> str:
        """The number of reviews in a plot of the rows `shown`."""
        return sampled(len(shown), self.reviews, "review")


def review_data(
    cleaned_reviews: nw.LazyFrame[Any],
    rejected_reviews: nw.LazyFrame[Any],
    *,
    currency: str | None,
    max_reviews: int = 50_000,
) -> ReviewData:
    """The data of the figures: at most `max_reviews` reviews, those of the users of smallest hash."""
    return ReviewData(
        sample=_frame(_sample(cleaned_reviews, max_reviews)),
        categories=_with_means(_frame(_categories(cleaned_reviews))),
        days=_frame(_days(cleaned_reviews)),
        rejected=_frame(rejected_reviews.group_by("reason").agg(rows=nw.len())),
        reviews=int(cleaned_reviews.select(nw.len()).collect().item()),
        currency=currency,
    )


def _sample(reviews: nw.LazyFrame[Any], max_reviews: int) -> nw.LazyFrame[Any]:
    return (
        reviews.sort("user_hash", "user_id", "review_id")
        .head(max_reviews)
        .select(
            "user_id",
            paid=nw.col("paid_minor").cast(nw.Float64) / 100,
            list_price=nw.col("list_minor").cast(nw.Float64) / 100,
            discount=nw.col("discount_bp").cast(nw.Float64) / 100,
            stars=nw.col("rating_tenths").cast(nw.Float64) / 10,
            ratings=nw.col("rating_count").cast(nw.Float64),
        )
    )


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
