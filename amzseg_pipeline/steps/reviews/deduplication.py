"""Which valid rows are copies of one another, and which of them stays.

Few rows are copies. The others are never compared value by value: rows are counted by a short key that copies share,
and only those that share theirs with another row are put in order.
"""

from collections.abc import Sequence

import narwhals as nw

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.steps.reviews.cleaning import told_by_time

VALID_COLUMNS = tuple(name for name in CLEANED_REVIEWS.column_names if name != "duplicate_rows")
"""The columns of valid_reviews, which is cleaned_reviews before copies are settled."""

_SHORT_KEY = ("user_hash", "short_id", "short_time")
_LAST = 2**62


def valid_reviews(checked: nw.LazyFrame, *, and_also: Sequence[str] = ()) -> nw.LazyFrame:
    """The rows of checked_reviews without a reason, copies among them, in VALID_COLUMNS and columns wanted beside them.

    A review_id that says no more than item and time, as readers make them, is null: it is the longest text of all.
    """
    valid = checked.filter(nw.col("reason").is_null())
    short_id: nw.Expr = _short_id()
    if told_by_time(checked.collect_schema()):
        as_stated = nw.concat_str("item_id", nw.lit("@"), nw.col("reviewed_at").cast(nw.String()))
        short_id = nw.when(nw.col("reviewed_at_ms").is_null()).then(as_stated)
    return valid.with_columns(rating_count=nw.col("rating_count_value"), review_id=short_id).select(
        *VALID_COLUMNS, *and_also
    )


def cleaned_reviews(checked: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS of checked_reviews: what the functions below make together, all at once."""
    valid = valid_reviews(checked)
    return reviews_once(valid, deduplicated(valid))


def deduplicated(valid: nw.LazyFrame) -> nw.LazyFrame:
    """One row, with its `copies`, for every review among those rows of valid_reviews that may have copies.

    Copies are rows with the same user_id and review_id. Which one stays is a total order over what they say, never over
    where they stood: most ratings, smallest item_id, lowest price paid, lowest list price, lowest discount, highest
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
        .with_columns(duplicate_rows=nw.len().over(*CLEANED_REVIEWS.key).cast(nw.Int64()), **order)
        .unique(subset=list(CLEANED_REVIEWS.key), keep="first", order_by=["order_ratings", "item_id", *list(order)[1:]])
    )
    return ordered.select(CLEANED_REVIEWS.column_names)


def without_deduplication(valid: nw.LazyFrame) -> nw.LazyFrame:
    """What settled_copies is where no review has copies, without a search: nothing, for every valid row has a user."""
    return _every_row(valid.filter(nw.col("user_id").is_null()))


def reviews_once(valid: nw.LazyFrame, deduplicated_part: nw.LazyFrame) -> nw.LazyFrame:
    """CLEANED_REVIEWS: the settled_copies of `valid`, and its rows that share their key with no other."""
    taken = _with_short_key(deduplicated_part.with_columns(review_id=_short_id())).select(*_SHORT_KEY)
    single = _with_short_key(valid).join(taken, on=list(_SHORT_KEY), how="anti")
    return nw.concat([_every_row(single), deduplicated_part.select(CLEANED_REVIEWS.column_names)])


def _every_row(valid: nw.LazyFrame) -> nw.LazyFrame:
    once = _with_review_id(valid).with_columns(duplicate_rows=nw.lit(1).cast(nw.Int64()))
    return once.select(CLEANED_REVIEWS.column_names)


def _with_short_key(valid: nw.LazyFrame) -> nw.LazyFrame:
    """`valid` with columns that copies have in common; the few others that have them in common do no harm."""
    by_time = nw.when(nw.col("review_id").is_null()).then(nw.col("reviewed_at_ms"))
    return valid.with_columns(short_id=nw.col("review_id").fill_null(""), short_time=by_time.fill_null(-1))


def _with_review_id(valid: nw.LazyFrame) -> nw.LazyFrame:
    return valid.with_columns(review_id=nw.coalesce("review_id", _item_and_time()))


def _short_id() -> nw.Expr:
    says_more = ~(nw.col("review_id") == _item_and_time()).fill_null(False)
    return nw.when(says_more).then(nw.col("review_id"))


def _item_and_time() -> nw.Expr:
    return nw.concat_str("item_id", nw.lit("@"), nw.col("reviewed_at_ms").cast(nw.String()))
