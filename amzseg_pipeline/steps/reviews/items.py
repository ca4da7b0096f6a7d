"""Validation and deduplication of item metadata, and the prices that reviews take from it."""

import narwhals as nw

from amzseg_pipeline.contracts.reviews import ITEMS, REJECTED_ITEMS, PriceIssue, RejectionReason
from amzseg_pipeline.steps.reviews import values
from amzseg_pipeline.steps.reviews.cleaning import is_empty, read_error_details, reason_without_details

_LAST = 2**62


def validated_items(raw_items: nw.LazyFrame) -> nw.LazyFrame:
    """All rows of raw_items with `price_minor`, `price_issue` and `reason` added; `reason` is null for a valid row.

    A price of 0 counts as unknown: sources state it for items that are out of stock.
    """
    stated = values.money_minor(nw.col("price"))
    missing = nw.when(is_empty("item_id")).then(nw.lit(str(RejectionReason.MISSING_ITEM)))
    validated = raw_items.with_columns(stated_minor=stated, reason=nw.coalesce(nw.col("read_error"), missing))
    return validated.with_columns(
        price_minor=nw.when(nw.col("stated_minor") > 0).then(nw.col("stated_minor")),
        price_issue=nw.coalesce(
            nw.when(~is_empty("price") & nw.col("stated_minor").is_null()).then(nw.lit(str(PriceIssue.UNREADABLE))),
            nw.when(nw.col("stated_minor") == 0).then(nw.lit(str(PriceIssue.ZERO))),
        ),
    )


def items(validated: nw.LazyFrame) -> nw.LazyFrame:
    """ITEMS: one row per item_id among the valid rows of validated_items.

    The record that is kept is the first in a total order of values: lowest known price, then currency, category and
    issue; nulls come last. Only the few items with several records are sorted.
    """
    order = {
        "order_price": nw.col("price_minor").fill_null(_LAST),
        "order_currency": nw.col("currency").fill_null("~"),
        "order_category": nw.col("category").fill_null("~"),
        "order_issue": nw.col("price_issue").fill_null("~"),
    }
    currency = nw.when(~nw.col("price_minor").is_null()).then(nw.col("currency"))
    valid = validated.filter(nw.col("reason").is_null()).with_columns(currency=currency)
    repeated = valid.group_by("item_id").agg(records=nw.len()).filter(nw.col("records") > 1)
    single = valid.join(repeated, on="item_id", how="anti").with_columns(duplicate_count=nw.lit(0).cast(nw.Int64()))
    deduplicated_part = (
        valid.join(repeated, on="item_id")
        .with_columns(duplicate_count=nw.col("records").cast(nw.Int64()) - 1, **order)
        .unique(subset=["item_id"], keep="first", order_by=list(order))
    )
    return nw.concat([frame.select(ITEMS.column_names) for frame in (single, deduplicated_part)])


def rejected_items(validated: nw.LazyFrame) -> nw.LazyFrame:
    """REJECTED_ITEMS: the rows of validated_items that have a reason, with their source text."""
    rejected = validated.filter(~nw.col("reason").is_null()).with_columns(
        details=read_error_details(), reason=reason_without_details()
    )
    return rejected.select(REJECTED_ITEMS.column_names)


def with_item_prices(validated_reviews: nw.LazyFrame, items: nw.LazyFrame) -> nw.LazyFrame:
    """validated_reviews where reviews without a price take price and currency of their item.

    An item's price is its current price, not what the reviewer paid. There is no list price, so these reviews have no
    discount. A missing category is also taken from the item.
    """
    offers = items.select(
        "item_id", item_minor=nw.col("price_minor"), item_currency=nw.col("currency"), item_category=nw.col("category")
    )
    joined = validated_reviews.join(offers, on="item_id", how="left")
    takes_price = is_empty("paid_price") & ~nw.col("item_minor").is_null()
    return joined.with_columns(
        paid_minor=nw.when(takes_price).then(nw.col("item_minor")).otherwise(nw.col("paid_minor")),
        currency=nw.when(takes_price).then(nw.col("item_currency")).otherwise(nw.col("currency")),
        category=nw.coalesce("category", "item_category"),
    ).drop("item_minor", "item_currency", "item_category")
