"""Validation of raw reviews: typed values, unreadable columns and rejection reasons."""

from collections.abc import Collection, Iterable
from functools import reduce
from operator import or_

import narwhals as nw

from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, REJECTED_REVIEWS, RejectionReason
from amzseg_pipeline.steps.reviews import values

VALUE_RULES = {
    "rating": ("rating_tenths", values.stars_tenths),
    "rating_count": ("rating_count_value", values.count),
    "paid_price": ("paid_minor", values.money_minor),
    "list_price": ("list_minor", values.money_minor),
    "discount_percent": ("stated_bp", values.percent_bp),
    "reviewed_at": ("reviewed_at_ms", values.milliseconds),
}
"""Per column of raw_reviews, the typed column it becomes and the rule that parses its text."""

NUMBER_RULES = {"rating": values.stars_tenths_of_number, "reviewed_at": values.milliseconds_of_number}
"""Rules for columns that are numeric already, which only exports read in place have."""

RULE_NAMES = {
    "rating": "a rating from 1 to 5 with at most one decimal",
    "rating_count": "a count",
    "paid_price": "an amount with at most two decimals",
    "list_price": "an amount with at most two decimals",
    "discount_percent": "a percentage from 0 to 100",
    "reviewed_at": "a time from 1995 to 2099 in milliseconds since 1970",
}
"""Column of raw_reviews -> what its values must be, for messages."""

_MISSING_RULES = {
    "user_id": RejectionReason.MISSING_USER,
    "review_id": RejectionReason.MISSING_REVIEW,
    "item_id": RejectionReason.MISSING_ITEM,
}


def validated_reviews(raw_reviews: nw.LazyFrame) -> nw.LazyFrame:
    """All rows of raw_reviews with typed columns, `unreadable` and `reason` added; the source text stays.

    `reason` is null for a valid row, else a RejectionReason or a read error, which has details. `unreadable` names the
    columns whose text became null.
    """
    schema = raw_reviews.collect_schema()
    numeric = {name for name in NUMBER_RULES if schema[name].is_numeric()}
    missing = {column: is_empty(column) for column in _MISSING_RULES}
    if has_item_time_ids(schema):
        # The id text is built from item and time: checking the time avoids building it.
        missing["review_id"] = nw.col("reviewed_at").is_null()
    typed = raw_reviews.with_columns(
        **{
            target: (NUMBER_RULES[source] if source in numeric else rule)(nw.col(source))
            for source, (target, rule) in VALUE_RULES.items()
        },
        reason=nw.coalesce(
            nw.col("read_error"),
            *(nw.when(missing[column]).then(nw.lit(str(reason))) for column, reason in _MISSING_RULES.items()),
        ),
    )
    return typed.with_columns(
        discount_bp=values.discount_bp(
            paid_minor=nw.col("paid_minor"), list_minor=nw.col("list_minor"), stated_bp=nw.col("stated_bp")
        ),
        unreadable=_unreadable(numeric),
    )


def rejected_reviews(validated: nw.LazyFrame) -> nw.LazyFrame:
    """REJECTED_REVIEWS: the rows of validated_reviews that have a reason, with their source text."""
    texts = [column.name for column in REJECTED_REVIEWS.columns if column.type == "string"]
    rejected = validated.filter(~nw.col("reason").is_null()).with_columns(
        details=read_error_details(), reason=reason_without_details()
    )
    return rejected.select(REJECTED_REVIEWS.column_names).with_columns(nw.col(*texts).cast(nw.String()))


def reason_without_details() -> nw.Expr:
    """The RejectionReason in `reason`; for rejected rows only, because in all rows it costs as much as a column."""
    return nw.col("reason").str.replace_all(f"(?s){DETAILS_SEPARATOR}.*$", "")


def read_error_details() -> nw.Expr:
    """The details in `read_error`, null for none."""
    details = nw.col("read_error").str.replace_all(f"(?s)^.*?{DETAILS_SEPARATOR}", "")
    return nw.when(nw.col("read_error").str.contains(DETAILS_SEPARATOR, literal=True)).then(details)


def unreadable_examples(validated: nw.LazyFrame, columns: Iterable[str], *, count: int = 3) -> dict[str, list[str]]:
    """Up to `count` distinct values of each of `columns` that cannot be read, as they are in the export."""
    found = {}
    for column in columns:
        is_lost = nw.col("unreadable").str.contains(f"(?:^|,){column}(?:,|$)")
        texts = validated.filter(is_lost).select(text=nw.col(column).cast(nw.String())).head(1_000).collect("pyarrow")
        distinct = dict.fromkeys(text.removeprefix(values.UNREADABLE_MARK) for text in texts["text"].to_list())
        found[column] = list(distinct)[:count]
    return found


def has_item_time_ids(schema: nw.Schema) -> bool:
    """Whether every review id is built from item and time, which holds for exports read in place (numeric times)."""
    return schema["reviewed_at"].is_numeric()


def is_empty(column: str) -> nw.Expr:
    """Whether a text column is null or the empty string."""
    return nw.col(column).is_null() | (nw.col(column) == "")


def _unreadable(numeric: Collection[str]) -> nw.Expr:
    is_lost = {
        source: _is_stated(source, numeric) & nw.col(target).is_null() for source, (target, _) in VALUE_RULES.items()
    }
    names = [nw.when(lost).then(nw.lit(source)) for source, lost in is_lost.items()]
    # Concatenate only for the few rows that have an unreadable value.
    return nw.when(reduce(or_, is_lost.values())).then(nw.concat_str(*names, separator=",", ignore_nulls=True))


def _is_stated(column: str, numeric: Collection[str]) -> nw.Expr:
    return ~nw.col(column).is_null() if column in numeric else ~is_empty(column)
