"""Which rows are reviews, which are rejected and why, and which are copies of one another."""

from collections.abc import Collection

import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, REJECTED_REVIEWS, CopyRule, Rejection
from amzseg_pipeline.steps.reviews import values

VALUE_RULES = {
    "rating": ("rating_tenths", values.stars_tenths),
    "rating_count": ("rating_count_value", values.count),
    "paid_price": ("paid_minor", values.money_minor),
    "list_price": ("list_minor", values.money_minor),
    "discount_percent": ("stated_bp", values.percent_bp),
    "reviewed_at": ("reviewed_at_ms", values.milliseconds),
}
NUMBER_RULES = {"rating": values.stars_tenths_of_number, "reviewed_at": values.milliseconds_of_number}
"""For columns that are numbers already, where an export is scanned in place."""

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
    schema = raw_reviews.collect_schema()
    numbers = {name for name in NUMBER_RULES if schema[name].is_numeric()}
    typed = raw_reviews.with_columns(
        **{
            target: (NUMBER_RULES[source] if source in numbers else rule)(nw.col(source))
            for source, (target, rule) in VALUE_RULES.items()
        },
        reason=nw.coalesce(
            nw.col("reader_fault"),
            *(nw.when(is_empty(column)).then(nw.lit(str(reason))) for column, reason in _MISSING_RULES.items()),
        ),
    )
    return typed.with_columns(
        discount_bp=values.discount_bp(
            paid_minor=nw.col("paid_minor"), list_minor=nw.col("list_minor"), stated_bp=nw.col("stated_bp")
        ),
        unreadable=_unreadable(numbers),
    )


def rejected_reviews(checked: nw.LazyFrame) -> nw.LazyFrame:
    """The rows of checked_reviews that have a reason, as they came."""
    texts = [column.name for column in REJECTED_REVIEWS.columns if column.type == "string"]
    rejected = checked.filter(~nw.col("reason").is_null()).select(REJECTED_REVIEWS.column_names)
    return rejected.with_columns(nw.col(*texts).cast(nw.String()))


def cleaned_reviews(checked: nw.LazyFrame, *, copies: CopyRule = CopyRule.ORDERED) -> nw.LazyFrame:
    """One row per (user_id, review_id) among the valid rows of checked_reviews, with the number of its `copies`.

    Which copy stays is a total order over what the copies say, never over where they stood: most ratings, smallest
    item_id, lowest price paid, lowest list price, lowest discount, highest rating, then every other column; nulls come
    last. Where copies can differ in their rating only, that is the highest rating: MERGED gives the same rows from one
    grouping. NONE trusts the source and searches for nothing.
    """
    valid = checked.filter(nw.col("reason").is_null()).with_columns(rating_count=nw.col("rating_count_value"))
    one_each = {CopyRule.ORDERED: _first_copies, CopyRule.MERGED: _merged_copies, CopyRule.NONE: _every_row}[copies]
    return one_each(valid).select(CLEANED_REVIEWS.column_names)


def is_empty(column: str) -> nw.Expr:
    """Whether a column of text says nothing."""
    return nw.col(column).is_null() | (nw.col(column) == "")


def _first_copies(valid: nw.LazyFrame) -> nw.LazyFrame:
    order = {
        "order_ratings": (-nw.col("rating_count")).fill_null(1),
        "order_paid": nw.col("paid_minor").fill_null(_LAST),
        "order_list": nw.col("list_minor").fill_null(_LAST),
        "order_discount": nw.col("discount_bp").fill_null(_LAST),
        "order_rating": (-nw.col("rating_tenths")).fill_null(1),
        "order_time": nw.col("reviewed_at_ms").fill_null(_LAST),
        "order_currency": nw.col("currency").fill_null("~"),
        "order_category": nw.col("category").fill_null("~"),
        "order_unreadable": nw.col("unreadable").fill_null(""),
    }
    ordered = valid.with_columns(copies=nw.len().over(*CLEANED_REVIEWS.key).cast(nw.Int64()), **order)
    first = ["order_ratings", "item_id", *list(order)[1:]]
    return ordered.unique(subset=list(CLEANED_REVIEWS.key), keep="first", order_by=first)


def _merged_copies(valid: nw.LazyFrame) -> nw.LazyFrame:
    same = [name for name in CLEANED_REVIEWS.column_names if name not in (*CLEANED_REVIEWS.key, "unreadable", "copies")]
    merged = valid.group_by(*CLEANED_REVIEWS.key).agg(
        *(nw.col(name).max() for name in same),
        unreadable_if_rated=nw.when(~nw.col("rating_tenths").is_null()).then(nw.col("unreadable")).max(),
        unreadable_if_not=nw.col("unreadable").fill_null("").min(),
        copies=nw.len().cast(nw.Int64()),
    )
    if_not = nw.when(nw.col("unreadable_if_not") != "").then(nw.col("unreadable_if_not"))
    is_rated = ~nw.col("rating_tenths").is_null()
    return merged.with_columns(unreadable=nw.when(is_rated).then(nw.col("unreadable_if_rated")).otherwise(if_not))


def _every_row(valid: nw.LazyFrame) -> nw.LazyFrame:
    return valid.with_columns(copies=nw.lit(1).cast(nw.Int64()))


def _unreadable(numbers: Collection[str]) -> nw.Expr:
    names = [
        nw.when(_is_stated(source, numbers) & nw.col(target).is_null()).then(nw.lit(source))
        for source, (target, _) in VALUE_RULES.items()
    ]
    joined = nw.concat_str(*names, separator=",", ignore_nulls=True)
    return nw.when(joined != "").then(joined)


def _is_stated(column: str, numbers: Collection[str]) -> nw.Expr:
    return ~nw.col(column).is_null() if column in numbers else ~is_empty(column)
