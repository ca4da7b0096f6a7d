"""Deduplication of valid reviews: which rows are the same review, and which of them is kept.

Few rows have duplicates. Rows are first counted by a short key that duplicates share; only rows that share it with
another row are sorted.
"""

from collections.abc import Sequence

import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.steps.reviews.cleaning import has_item_time_ids

VALID_COLUMNS = tuple(name for name in CLEANED_REVIEWS.column_names if name != "duplicate_count")
"""The columns of valid_reviews: those of cleaned_reviews before deduplication."""

_SHORT_KEY = ("user_hash", "short_id", "short_time")
_LAST = 2**62


def valid_reviews(validated: nw.LazyFrame, *, and_also: Sequence[str] = ()) -> nw.LazyFrame:
    """The rows of validated_reviews without a reason, duplicates included: VALID_COLUMNS and the columns `and_also`.

    A review_id that readers built from item and time is null here: it is the longest text and can be rebuilt.
    """
    valid = validated.filter(nw.col("reason").is_null())
    short_id: nw.Expr = _short_id()
    if has_item_time_ids(validated.collect_schema()):
        as_stated = nw.concat_str("item_id", nw.lit("@"), nw.col("reviewed_at").cast(nw.String()))
        short_id = nw.when(nw.col("reviewed_at_ms").is_null()).then(as_stated)
    return valid.with_columns(rating_count=nw.col("rating_count_value"), review_id=short_id).select(
        *VALID_COLUMNS, *and_also
    )


def cleaned_reviews(validated: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS of validated_reviews, in one step: valid_reviews, deduplicated, unique_reviews."""
    valid = valid_reviews(validated)
    return unique_reviews(valid, deduplicated(valid))


def deduplicated(valid: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS of those rows of valid_reviews that share their short key with another row.

    Duplicates have the same user_id and review_id. The row that is kept is the first in a total order of values, never
    of positions: most ratings, smallest item_id, lowest price paid, lowest list price, lowest discount, highest
    rating, then every other column; nulls come last.
    """
    keyed = _with_short_key(valid)
    shared = keyed.group_by(*_SHORT_KEY).agg(rows=nw.len()).filter(nw.col("rows") > 1)
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
    ordered = (
        _with_review_id(keyed.join(shared, on=list(_SHORT_KEY), how="semi"))
        .with_columns(duplicate_count=nw.len().over(*CLEANED_REVIEWS.key).cast(nw.Int64()) - 1, **order)
        .unique(subset=list(CLEANED_REVIEWS.key), keep="first", order_by=["order_ratings", "item_id", *list(order)[1:]])
    )
    return ordered.select(CLEANED_REVIEWS.column_names)


def no_deduplicated_reviews(valid: nw.LazyFrame) -> nw.LazyFrame:
    """The empty result of `deduplicated` for data without duplicates, without a search."""
    return without_duplicates(valid.filter(nw.col("user_id").is_null()))


def without_duplicates(valid: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS of valid rows none of which has a duplicate."""
    reviews = _with_review_id(valid).with_columns(duplicate_count=nw.lit(0).cast(nw.Int64()))
    return reviews.select(CLEANED_REVIEWS.column_names)


def unique_reviews(valid: nw.LazyFrame, deduplicated_part: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS: the rows of `deduplicated_part`, and those of `valid` whose short key is not among them."""
    keys = _keys(deduplicated_part.with_columns(review_id=_short_id()))
    single = _with_short_key(valid).join(keys, on=list(_SHORT_KEY), how="anti")
    return nw.concat([without_duplicates(single), deduplicated_part.select(CLEANED_REVIEWS.column_names)])


def with_keys_of(rows: nw.LazyFrame, others: nw.LazyFrame) -> nw.LazyFrame:
    """Those of the valid rows that share their short key with one of the valid rows `others`."""
    keyed = _with_short_key(rows).join(_keys(others).unique(), on=list(_SHORT_KEY), how="semi")
    return keyed.select(*VALID_COLUMNS)


def split_by_keys_of(deduplicated_part: nw.LazyFrame, others: nw.LazyFrame) -> tuple[nw.LazyFrame, nw.LazyFrame]:
    """The rows of a result of `deduplicated` that share their short key with one of the valid rows `others`, and the
    remaining rows."""
    keyed = _with_short_key(deduplicated_part.with_columns(stated_id=nw.col("review_id"), review_id=_short_id()))
    keys = _keys(others).unique()
    shared, remaining = (
        keyed.join(keys, on=list(_SHORT_KEY), how=how).drop("review_id").rename({"stated_id": "review_id"})
        for how in ("semi", "anti")
    )
    return shared.select(CLEANED_REVIEWS.column_names), remaining.select(CLEANED_REVIEWS.column_names)


def _with_short_key(valid: nw.LazyFrame) -> nw.LazyFrame:
    """`valid` with _SHORT_KEY. Duplicates always share it; different reviews that share it are only sorted in vain."""
    time = nw.when(nw.col("review_id").is_null()).then(nw.col("reviewed_at_ms"))
    return valid.with_columns(short_id=nw.col("review_id").fill_null(""), short_time=time.fill_null(-1))


def _keys(valid: nw.LazyFrame) -> nw.LazyFrame:
    return _with_short_key(valid).select(*_SHORT_KEY)


def _with_review_id(valid: nw.LazyFrame) -> nw.LazyFrame:
    return valid.with_columns(review_id=nw.coalesce("review_id", _item_time_id()))


def _short_id() -> nw.Expr:
    """The review_id, null where it is the item-time id."""
    is_other = ~(nw.col("review_id") == _item_time_id()).fill_null(False)
    return nw.when(is_other).then(nw.col("review_id"))


def _item_time_id() -> nw.Expr:
    return nw.concat_str("item_id", nw.lit("@"), nw.col("reviewed_at_ms").cast(nw.String()))
