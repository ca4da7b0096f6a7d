"""The tables by hand-written Polars: lazy frames, written by the streaming engine.

POLARS_MAX_THREADS=2 python -m benchmarks.peers.polars_lazy --landing data/landing --out /tmp/out --temporary /tmp
"""

import hashlib
import math
from pathlib import Path

import polars as pl

from benchmarks.peers.task import CLEANED, FEATURES, REJECTED, Task, perform

_MONEY = (
    "^(?:[₹$€£¥] ?)?(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3})"
    r"(?:\.[0-9]{1,2})?$"
)
_CURRENCIES = {"₹": "INR", "€": "EUR", "£": "GBP", "¥": "JPY"}
_ABSENT_COLUMNS = ("rating_count", "paid_price", "list_price", "discount_percent", "currency", "category")
_NO_TEXT = pl.lit(None, dtype=pl.String)
_NO_NUMBER = pl.lit(None, dtype=pl.Int64)
_REVIEW_SCHEMA: dict[str, type[pl.DataType]] = {
    "user_id": pl.String,
    "parent_asin": pl.String,
    "rating": pl.Float64,
    "timestamp": pl.Int64,
}
_ITEM_SCHEMA: dict[str, type[pl.DataType]] = {"parent_asin": pl.String, "main_category": pl.String, "price": pl.String}
_UNITS = 110_192_001 / 7


def write_tables(task: Task) -> None:
    """Writes cleaned, rejected and user_features."""
    exports = task.reviews
    columns = ("user_id", "parent_asin", "rating", "timestamp")
    rows = pl.concat(
        [
            _scanned(task, export.path, _REVIEW_SCHEMA)
            .select("row_number", *columns)
            .with_columns(source_file=pl.lit(export.source_file), batch=pl.lit(export.batch))
            for export in exports
        ]
    )
    no_user = pl.col("user_id").fill_null("") == ""
    no_item = pl.col("parent_asin").fill_null("") == ""
    no_time = pl.col("timestamp").is_null()
    rejected = rows.filter(no_user | no_item | no_time).select(
        "source_file",
        "batch",
        row_number=pl.col("row_number").cast(pl.Int64) + 1,
        reason=pl.when(no_user)
        .then(pl.lit("the user id is empty"))
        .when(no_time)
        .then(pl.lit("the review id is empty"))
        .otherwise(pl.lit("the item id is empty")),
        user_id="user_id",
        user_hash=pl.col("user_id").map_elements(_user_hash, return_dtype=pl.Int64),
        item_id="parent_asin",
        review_id=pl.concat_str(pl.col("parent_asin").fill_null(""), pl.lit("@"), pl.col("timestamp")),
        rating=pl.col("rating").cast(pl.String),
        **dict.fromkeys(_ABSENT_COLUMNS, _NO_TEXT),
        reviewed_at=pl.col("timestamp").cast(pl.String),
    )
    rejected.sink_parquet(task.out / REJECTED, compression_level=1)
    valid = rows.filter(~no_user & ~no_item & ~no_time)
    cleaned = task.out / CLEANED
    _cleaned(valid, _items(task)).sink_parquet(cleaned, compression_level=1)
    newest = pl.scan_parquet(cleaned).select(pl.col("reviewed_at_ms").max() // 86_400_000).collect().item()
    _features(pl.scan_parquet(cleaned), newest).sink_parquet(task.out / FEATURES, compression_level=1)


def _scanned(task: Task, path: Path, schema: dict[str, type[pl.DataType]]) -> pl.LazyFrame:
    if task.is_json:  # scan_ndjson stops at a line that is not JSON
        lines = pl.scan_lines(path, row_index_name="row_number")
        is_object = pl.col("line").str.starts_with("{") & pl.col("line").str.ends_with("}")
        parsed = pl.when(is_object).then(pl.col("line")).str.json_decode(pl.Struct(schema)).alias("parsed")
        return lines.select("row_number", parsed).unnest("parsed")
    return pl.scan_parquet(path, row_index_name="row_number")


def _items(task: Task) -> pl.LazyFrame:
    price = pl.col("price").str.strip_chars()
    minor = pl.when(price.str.contains(_MONEY)).then(price.str.replace_all("[^0-9.]", ""))
    known = pl.col("minor") > 0
    return (
        pl.concat([_scanned(task, path, _ITEM_SCHEMA) for path in task.items])
        .filter(pl.col("parent_asin").fill_null("") != "")
        .select(
            item_id="parent_asin",
            category=pl.when(pl.col("main_category") != "").then("main_category"),
            minor=(minor.cast(pl.Float64) * 100 + 0.5).floor().cast(pl.Int64),
            currency=price.str.slice(0, 1).replace_strict(_CURRENCIES, default="USD"),
        )
        .select(
            "item_id", "category", paid_minor=pl.when(known).then("minor"), currency=pl.when(known).then("currency")
        )
        .sort("paid_minor", "currency", "category", nulls_last=True)
        .unique(subset="item_id", keep="first", maintain_order=True)
    )


def _cleaned(valid: pl.LazyFrame, items: pl.LazyFrame) -> pl.LazyFrame:
    tenths = pl.col("rating") * 10
    rounded = (tenths + 0.5).floor()
    is_rating = rounded.is_between(10, 50) & ((tenths - rounded).abs() < 1e-4)
    time = pl.col("timestamp")
    is_time = (time >= 0) & (time < 10**14)
    once = valid.group_by("user_id", "parent_asin", "timestamp").agg(
        rating_tenths=pl.when(is_rating).then(rounded).max().cast(pl.Int64),
        every_rating_stated=pl.col("rating").is_not_null().all(),
        duplicate_count=pl.len().cast(pl.Int64) - 1,
    )
    unread = pl.col("rating_tenths").is_null() & pl.col("every_rating_stated")
    unreadable = pl.concat_str(
        pl.when(unread).then(pl.lit("rating")),
        pl.when(~is_time).then(pl.lit("reviewed_at")),
        separator=",",
        ignore_nulls=True,
    )
    hashed = once.join(_users(valid), on="user_id", how="left")
    return hashed.join(items, left_on="parent_asin", right_on="item_id", how="left").select(
        "user_id",
        "user_hash",
        item_id="parent_asin",
        review_id=pl.concat_str("parent_asin", pl.lit("@"), "timestamp"),
        rating_tenths="rating_tenths",
        rating_count=_NO_NUMBER,
        paid_minor="paid_minor",
        list_minor=_NO_NUMBER,
        discount_bp=_NO_NUMBER,
        currency="currency",
        category="category",
        reviewed_at_ms=pl.when(is_time).then(time),
        unreadable=pl.when(unreadable != "").then(unreadable),
        duplicate_count="duplicate_count",
    )


def _features(cleaned: pl.LazyFrame, as_of_day: int) -> pl.LazyFrame:
    day = (pl.col("reviewed_at_ms") // 86_400_000).clip(upper_bound=as_of_day)
    log_paid = (((pl.col("paid_minor").cast(pl.Float64) + 100).log() - math.log(100)) * 1000 + 0.5).floor()
    rating, discount, paid = pl.col("rating_tenths"), pl.col("discount_bp"), pl.col("paid_minor")
    reference = as_of_day // 1800 * 1800
    weight = (((pl.col("day") - reference) * (math.log(2) / 180)).exp() * _UNITS + 0.5).floor().cast(pl.Int64)
    date = pl.col("day").cast(pl.Int32).cast(pl.Date)
    months = pl.col("month").drop_nulls().n_unique()
    measured = (
        cleaned.with_columns(day=day, log_paid=log_paid.cast(pl.Int64))
        .with_columns(age=as_of_day - pl.col("day"), month=date.dt.year().cast(pl.Int32) * 12 + date.dt.month())
        .with_columns(recent_units=rating * weight)
    )
    sums = measured.group_by("user_id").agg(
        user_hash=pl.col("user_hash").min(),
        total_reviews=pl.len().cast(pl.Int64),
        rated_reviews=rating.count().cast(pl.Int64),
        discounted_reviews=discount.count().cast(pl.Int64),
        priced_reviews=paid.count().cast(pl.Int64),
        future_reviews=(pl.col("reviewed_at_ms") // 86_400_000 > as_of_day).sum().cast(pl.Int64),
        rating_tenths_sum=rating.sum(),
        rating_square_sum=(rating * rating).sum(),
        discount_bp_sum=discount.sum(),
        discount_square_sum=(discount * discount).sum(),
        paid_minor_sum=paid.sum(),
        log_paid_sum=pl.col("log_paid").sum(),
        log_paid_square_sum=(pl.col("log_paid") * pl.col("log_paid")).sum(),
        first_reviewed_at_ms=pl.col("reviewed_at_ms").min(),
        last_reviewed_at_ms=pl.col("reviewed_at_ms").max(),
        recency_days=pl.col("age").min(),
        tenure_days=pl.col("age").max(),
        active_months=pl.when(months > 0).then(months).cast(pl.Int64),
        recent_units=pl.col("recent_units").sum(),
        recent_reviews=pl.col("recent_units").count(),
    )
    recent = pl.when(pl.col("recent_reviews") > 0).then("recent_units").cast(pl.Float64)
    averages = sums.with_columns(
        avg_rating=_quotient("rating_tenths_sum", "rated_reviews", 10),
        avg_discount=_quotient("discount_bp_sum", "discounted_reviews", 100),
        avg_spend=_quotient("paid_minor_sum", "priced_reviews", 100),
        recent_engagement=recent / (50 * _UNITS * 2 ** ((as_of_day - reference) / 180)),
        lifecycle_stage=pl.when(pl.col("recency_days").is_null())
        .then(None)
        .when(pl.col("tenure_days") <= 90)
        .then(pl.lit("new"))
        .when(pl.col("recency_days") <= 180)
        .then(pl.lit("active"))
        .when(pl.col("recency_days") <= 365)
        .then(pl.lit("lapsing"))
        .otherwise(pl.lit("lapsed")),
        as_of=pl.lit(as_of_day).cast(pl.Int32).cast(pl.Date),
    )
    return averages.with_columns(engagement_score=pl.col("total_reviews") * pl.col("avg_rating")).drop(
        "recent_units", "recent_reviews"
    )


def _quotient(total: str, count: str, per_unit: int) -> pl.Expr:
    return pl.col(total) / (pl.when(pl.col(count) > 0).then(count).cast(pl.Float64) * per_unit)


def _users(valid: pl.LazyFrame) -> pl.LazyFrame:
    """The hash of every user, computed in Python because Polars has no md5."""
    ids = valid.select("user_id").unique().collect(engine="streaming")["user_id"]
    hashes = pl.Series("user_hash", map(_user_hash, ids), dtype=pl.Int64)
    return pl.DataFrame([ids, hashes]).lazy()


def _user_hash(user_id: str) -> int:
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()[:8], 16)


if __name__ == "__main__":
    perform(write_tables)
