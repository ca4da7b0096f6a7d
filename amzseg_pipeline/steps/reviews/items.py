"""Which records of metadata are items, what an item costs, and the prices that reviews take from their items."""

import narwhals as nw

from amzseg_pipeline.contracts.reviews import ITEMS, REJECTED_ITEMS, PriceFault, Rejection
from amzseg_pipeline.steps.reviews import values
from amzseg_pipeline.steps.reviews.cleaning import is_empty

_LAST = 2**62


def checked_items(raw_items: nw.LazyFrame) -> nw.LazyFrame:
    """Every row of raw_items with `price_minor`, `price_fault` and `reason`, which is null for a valid row.

    A price of 0 means that it is not known: sources say so for what is out of stock.
    """
    stated = values.money_minor(nw.col("price"))
    missing = nw.when(is_empty("item_id")).then(nw.lit(str(Rejection.MISSING_ITEM)))
    checked = raw_items.with_columns(stated_minor=stated, reason=nw.coalesce(nw.col("reader_fault"), missing))
    return checked.with_columns(
        price_minor=nw.when(nw.col("stated_minor") > 0).then(nw.col("stated_minor")),
        price_fault=nw.coalesce(
            nw.when(~is_empty("price") & nw.col("stated_minor").is_null()).then(nw.lit(str(PriceFault.UNREADABLE))),
            nw.when(nw.col("stated_minor") == 0).then(nw.lit(str(PriceFault.ZERO))),
        ),
    )


def items(checked: nw.LazyFrame) -> nw.LazyFrame:
    """One row per item_id among the valid rows of checked_items, with the number of its `copies`.

    Which record stays is a total order over what the records say: lowest known price, then currency, category and
    fault; nulls come last. Only items with several records are put in order: they are few.
    """
    order = {
        "order_price": nw.col("price_minor").fill_null(_LAST),
        "order_currency": nw.col("currency").fill_null("~"),
        "order_category": nw.col("category").fill_null("~"),
        "order_fault": nw.col("price_fault").fill_null("~"),
    }
    known = nw.when(~nw.col("price_minor").is_null()).then(nw.col("currency"))
    valid = checked.filter(nw.col("reason").is_null()).with_columns(currency=known)
    repeated = valid.group_by("item_id").agg(duplicate_rows=nw.len()).filter(nw.col("duplicate_rows") > 1)
    single = valid.join(repeated, on="item_id", how="anti").with_columns(duplicate_rows=nw.lit(1).cast(nw.Int64()))
    deduplicated_part = (
        valid.join(repeated, on="item_id")
        .with_columns(duplicate_rows=nw.col("duplicate_rows").cast(nw.Int64()), **order)
        .unique(subset=["item_id"], keep="first", order_by=list(order))
    )
    return nw.concat([frame.select(ITEMS.column_names) for frame in (single, deduplicated_part)])


def rejected_items(checked: nw.LazyFrame) -> nw.LazyFrame:
    """The rows of checked_items that have a reason, as they came."""
    return checked.filter(~nw.col("reason").is_null()).select(REJECTED_ITEMS.column_names)


def with_item_prices(checked_reviews: nw.LazyFrame, items: nw.LazyFrame) -> nw.LazyFrame:
    """The rows of checked_reviews; one that states no price takes price and currency of its item, if there is one.

    An item's price is what it costs now, not what the reviewer paid, and there is no list price beside it: such a
    review has no discount. A category that lacks is the item's, too.
    """
    offers = items.select(
        "item_id", item_minor=nw.col("price_minor"), item_currency=nw.col("currency"), item_category=nw.col("category")
    )
    joined = checked_reviews.join(offers, on="item_id", how="left")
    takes = is_empty("paid_price") & ~nw.col("item_minor").is_null()
    return joined.with_columns(
        paid_minor=nw.when(takes).then(nw.col("item_minor")).otherwise(nw.col("paid_minor")),
        currency=nw.when(takes).then(nw.col("item_currency")).otherwise(nw.col("currency")),
        category=nw.coalesce("category", "item_category"),
    ).drop("item_minor", "item_currency", "item_category")
