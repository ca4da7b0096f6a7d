"""Which rows are reviews, and which are rejected and why."""

from collections.abc import Collection
from functools import reduce
from operator import or_

import narwhals as nw

from amzseg_pipeline.contracts.reviews import REJECTED_REVIEWS, Rejection
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
"""For columns that are numbers already, where an export is scanned in place. Its reviews are told by item and time."""

_MISSING_RULES = {
    "user_id": Rejection.MISSING_USER,
    "review_id": Rejection.MISSING_REVIEW,
    "item_id": Rejection.MISSING_ITEM,
}


def checked_reviews(raw_reviews: nw.LazyFrame) -> nw.LazyFrame:
    """Every row of raw_reviews, its text kept, with typed values, `unreadable` and `reason` beside it.

    `reason` is null for a valid row, else a Rejection; `unreadable` names the columns whose text became null.
    """
    schema = raw_reviews.collect_schema()
    numbers = {name for name in NUMBER_RULES if schema[name].is_numeric()}
    # To see that an id made of item and time is not empty, the time is looked at and the text never made.
    empty = {column: is_empty(column) for column in _MISSING_RULES}
    if told_by_time(schema):
        empty["review_id"] = nw.col("reviewed_at").is_null()
    typed = raw_reviews.with_columns(
        **{
            target: (NUMBER_RULES[source] if source in numbers else rule)(nw.col(source))
            for source, (target, rule) in VALUE_RULES.items()
        },
        reason=nw.coalesce(
            nw.col("reader_fault"),
            *(nw.when(empty[column]).then(nw.lit(str(reason))) for column, reason in _MISSING_RULES.items()),
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


def told_by_time(schema: nw.Schema) -> bool:
    """Whether the ids of reviews are all made of item and time, as those of an export that is scanned in place are."""
    return schema["reviewed_at"].is_numeric()


def is_empty(column: str) -> nw.Expr:
    """Whether a column of text says nothing."""
    return nw.col(column).is_null() | (nw.col(column) == "")


def _unreadable(numbers: Collection[str]) -> nw.Expr:
    lost = {
        source: _is_stated(source, numbers) & nw.col(target).is_null() for source, (target, _) in VALUE_RULES.items()
    }
    names = [nw.when(is_lost).then(nw.lit(source)) for source, is_lost in lost.items()]
    # Texts are put together for the few rows that need one.
    return nw.when(reduce(or_, lost.values())).then(nw.concat_str(*names, separator=",", ignore_nulls=True))


def _is_stated(column: str, numbers: Collection[str]) -> nw.Expr:
    return ~nw.col(column).is_null() if column in numbers else ~is_empty(column)
