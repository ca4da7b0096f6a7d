"""Which rows are reviews, which are rejected and why, and which are copies of one another."""

import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS, Rejection
from amzseg_pipeline.steps.reviews import values

VALUE_RULES = {
    "rating": ("rating_tenths", values.stars_tenths),
    "rating_count": ("rating_count_value", values.count),
    "paid_price": ("paid_minor", values.money_minor),
    "list_price": ("list_minor", values.money_minor),
    "discount_percent": ("stated_bp", values.percent_bp),
    "reviewed_at": ("reviewed_at_ms", values.milliseconds),
}
_MISSING_RULES = {
    "user_id": Rejection.MISSING_USER,
    "review_id": Rejection.MISSING_REVIEW,
    "item_id": Rejection.MISSING_ITEM,
}
_LAST = 2**62


def checked_reviews(raw_reviews: nw.LazyFrame) -> nw.LazyFrame:
    """Every row of raw_reviews, its text kept, with typed values, `unreadable` and `reason` beside it.

    `reason` is null for a valid row, else a Rejection; `unreadable` names the columns whose text became null.
    """
    typed = raw_reviews.with_columns(
        **{target: rule(nw.col(source)) for source, (target, rule) in VALUE_RULES.items()},
        reason=nw.coalesce(
            nw.col("reader_fault"),
            *(nw.when(_is_empty(column)).then(nw.lit(str(reason))) for column, reason in _MISSING_RULES.items()),
        ),
    )
    return typed.with_columns(
        discount_bp=values.discount_bp(
            paid_minor=nw.col("paid_minor"), list_minor=nw.col("list_minor"), stated_bp=nw.col("stated_bp")
        ),
        unreadable=_unreadable(),
    )


def rejected_reviews(checked: nw.LazyFrame) -> nw.LazyFrame:
    """The rows of checked_reviews that have a reason, as they came."""
    return checked.filter(~nw.col("reason").is_null()).select(REJECTED_REVIEWS.column_names)


def cleaned_reviews(checked: nw.LazyFrame) -> nw.LazyFrame:
    """One row per (user_id, review_id) among the valid rows of checked_reviews, with the number of its `copies`.

    Which copy stays is a total order over what the copies say, never over where they stood: most ratings, smallest
    item_id, lowest price paid, lowest list price, then every other column; nulls come last.
    """
    key = CLEANED_REVIEWS.key
    order = {
        "order_ratings": (-nw.col("rating_count")).fill_null(1),
        "order_paid": nw.col("paid_minor").fill_null(_LAST),
        "order_list": nw.col("list_minor").fill_null(_LAST),
        "order_discount": nw.col("discount_bp").fill_null(_LAST),
        "order_rating": nw.col("rating_tenths").fill_null(_LAST),
        "order_time": nw.col("reviewed_at_ms").fill_null(_LAST),
        "order_currency": nw.col("currency").fill_null("~"),
        "order_category": nw.col("category").fill_null("~"),
        "order_unreadable": nw.col("unreadable").fill_null(""),
    }
    return (
        checked.filter(nw.col("reason").is_null())
        .with_columns(rating_count=nw.col("rating_count_value"))
        .with_columns(copies=nw.len().over(*key).cast(nw.Int64), **order)
        .unique(subset=list(key), keep="first", order_by=["order_ratings", "item_id", *list(order)[1:]])
        .select(CLEANED_REVIEWS.column_names)
    )


def _is_empty(column: str) -> nw.Expr:
    return nw.col(column).is_null() | (nw.col(column) == "")


def _unreadable() -> nw.Expr:
    names = [
        nw.when(~_is_empty(source) & nw.col(target).is_null()).then(nw.lit(source))
        for source, (target, _) in VALUE_RULES.items()
    ]
    joined = nw.concat_str(*names, separator=",", ignore_nulls=True)
    return nw.when(joined != "").then(joined)
