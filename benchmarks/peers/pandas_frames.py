"""The tables by hand-written pandas: frames in memory, one export of reviews after another.

python -m benchmarks.peers.pandas_frames --landing data/landing --out /tmp/out --temporary /tmp/spill
"""

import hashlib
import math

import numpy as np
import pandas as pd

from benchmarks.peers.task import CLEANED, FEATURES, REJECTED, Task, perform

_MONEY = (
    "^(?:[₹$€£¥] ?)?(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3})"
    r"(?:\.[0-9]{1,2})?$"
)
_CURRENCIES = {"₹": "INR", "€": "EUR", "£": "GBP", "¥": "JPY"}
_KEY = ["user_id", "parent_asin", "timestamp"]
_UNITS = 110_192_001 / 7


def write_tables(task: Task) -> None:
    """Writes cleaned, rejected and user_features."""
    valid = []
    rejected = []
    for export in task.reviews:
        rows = pd.read_parquet(export.path, columns=["user_id", "parent_asin", "rating", "timestamp"])
        no_user, no_item = rows["user_id"].fillna("") == "", rows["parent_asin"].fillna("") == ""
        no_time = rows["timestamp"].isna()
        wrong = no_user | no_item | no_time
        valid.append(rows[~wrong].astype({"timestamp": "int64"}))
        reasons = np.select(
            [no_user, no_time], ["the user id is empty", "the review id is empty"], "the item id is empty"
        )
        rejected.append(
            rows[wrong].assign(
                source_file=export.source_file,
                batch=export.batch,
                row_number=rows.index[wrong] + 1,
                reason=reasons[wrong],
            )
        )
    _rejected(pd.concat(rejected)).to_parquet(task.out / REJECTED, compression="zstd", index=False)
    cleaned = _cleaned(pd.concat(valid, ignore_index=True), _items(task))
    cleaned.to_parquet(task.out / CLEANED, compression="zstd", index=False)
    _features(cleaned).to_parquet(task.out / FEATURES, compression="zstd", index=False)


def _items(task: Task) -> pd.DataFrame:
    columns = ["parent_asin", "main_category", "price"]
    items = pd.concat([pd.read_parquet(path, columns=columns) for path in task.items], ignore_index=True)
    items = items[items["parent_asin"].fillna("") != ""]
    price = items["price"].str.strip()
    digits = price.where(price.str.contains(_MONEY, na=False)).str.replace("[^0-9.]", "", regex=True)
    minor = np.floor(pd.to_numeric(digits) * 100 + 0.5)
    currency = price.str[:1].map(_CURRENCIES).fillna("USD")
    known = pd.DataFrame(
        {
            "parent_asin": items["parent_asin"],
            "paid_minor": minor.where(minor > 0).astype("Int64"),
            "currency": currency.where(minor > 0),
            "category": items["main_category"].where(items["main_category"] != ""),
        }
    )
    return known.sort_values(["paid_minor", "currency", "category"]).drop_duplicates("parent_asin")


def _rejected(rows: pd.DataFrame) -> pd.DataFrame:
    nothing = pd.Series(pd.NA, index=rows.index, dtype="str")
    time = rows["timestamp"].astype("Int64").astype("str")
    return pd.DataFrame(
        {
            **{name: rows[name] for name in ("source_file", "batch", "row_number", "reason", "user_id")},
            "user_hash": rows["user_id"].map(_user_hash, na_action="ignore").astype("Int64"),
            "item_id": rows["parent_asin"],
            "review_id": rows["parent_asin"].fillna("") + "@" + time,
            "rating": rows["rating"].astype("str"),
            **dict.fromkeys(("rating_count", "paid_price", "list_price", "discount_percent", "currency"), nothing),
            "category": nothing,
            "reviewed_at": time,
        }
    )


def _cleaned(valid: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    tenths = valid["rating"] * 10
    rounded = np.floor(tenths + 0.5)
    is_rating = rounded.between(10, 50) & ((tenths - rounded).abs() < 1e-4)
    valid["rating_tenths"] = rounded.where(is_rating)
    valid["is_stated"] = valid["rating"].notna()
    groups = valid.groupby(_KEY, sort=False)
    group_rows = groups["rating_tenths"].transform("size")
    # Only the few rows with duplicates are grouped: grouping all rows costs far more.
    single, several = valid[group_rows == 1].assign(duplicate_count=0), valid[group_rows > 1]
    merged = several.groupby(_KEY, sort=False, as_index=False).agg(
        rating_tenths=("rating_tenths", "max"),
        is_stated=("is_stated", "all"),
        duplicate_count=("rating_tenths", "size"),
    )
    merged["duplicate_count"] -= 1
    once = pd.concat([single, merged], ignore_index=True).merge(items, on="parent_asin", how="left")
    time, is_time = once["timestamp"], once["timestamp"].between(0, 10**14 - 1)
    unread = once["rating_tenths"].isna() & once["is_stated"]
    unreadable = np.select(
        [unread & ~is_time, unread, ~is_time], ["rating,reviewed_at", "rating", "reviewed_at"], default=""
    )
    users = pd.Series(once["user_id"].unique())
    hashes = pd.Series(users.map(_user_hash).to_numpy(np.int64), index=users)
    nothing = pd.Series(pd.NA, index=once.index, dtype="Int64")
    return pd.DataFrame(
        {
            "user_id": once["user_id"],
            "user_hash": once["user_id"].map(hashes),
            "item_id": once["parent_asin"],
            "review_id": once["parent_asin"] + "@" + time.astype("str"),
            "rating_tenths": once["rating_tenths"].astype("Int64"),
            "rating_count": nothing,
            "paid_minor": once["paid_minor"],
            "list_minor": nothing,
            "discount_bp": nothing,
            "currency": once["currency"],
            "category": once["category"],
            "reviewed_at_ms": time.where(is_time).astype("Int64"),
            "unreadable": pd.Series(unreadable, index=once.index).where(lambda texts: texts != ""),
            "duplicate_count": once["duplicate_count"],
        }
    )


def _features(cleaned: pd.DataFrame) -> pd.DataFrame:
    as_of_day = int(cleaned["reviewed_at_ms"].max()) // 86_400_000
    real_day = cleaned["reviewed_at_ms"] // 86_400_000
    day = real_day.clip(upper=as_of_day)
    age = as_of_day - day
    date = pd.to_datetime(day, unit="D")
    rating, discount, paid = cleaned["rating_tenths"], cleaned["discount_bp"], cleaned["paid_minor"]
    log_paid = np.floor((np.log(paid.astype("Float64") + 100) - math.log(100)) * 1000 + 0.5).astype("Int64")
    reference = as_of_day // 1800 * 1800
    weight = np.floor(np.exp((day - reference).astype("Float64") * (math.log(2) / 180)) * _UNITS + 0.5).astype("Int64")
    measured = pd.DataFrame(
        {
            "user_id": cleaned["user_id"],
            "user_hash": cleaned["user_hash"],
            "time": cleaned["reviewed_at_ms"],
            "is_future": real_day > as_of_day,
            "age": age,
            "month": date.dt.year * 12 + date.dt.month,
            "rating": rating,
            "rating_square": rating * rating,
            "discount": discount,
            "discount_square": discount * discount,
            "paid": paid,
            "log_paid": log_paid,
            "log_paid_square": log_paid * log_paid,
            "recent_units": rating * weight,
        }
    )
    sums = measured.groupby("user_id", sort=False).agg(
        user_hash=("user_hash", "min"),
        total_reviews=("user_hash", "size"),
        rated_reviews=("rating", "count"),
        discounted_reviews=("discount", "count"),
        priced_reviews=("paid", "count"),
        future_reviews=("is_future", "sum"),
        rating_tenths_sum=("rating", "sum"),
        rating_square_sum=("rating_square", "sum"),
        discount_bp_sum=("discount", "sum"),
        discount_square_sum=("discount_square", "sum"),
        paid_minor_sum=("paid", "sum"),
        log_paid_sum=("log_paid", "sum"),
        log_paid_square_sum=("log_paid_square", "sum"),
        first_reviewed_at_ms=("time", "min"),
        last_reviewed_at_ms=("time", "max"),
        recency_days=("age", "min"),
        tenure_days=("age", "max"),
        active_months=("month", "nunique"),
        recent_units=("recent_units", "sum"),
        recent_reviews=("recent_units", "count"),
    )
    units = sums.pop("recent_units").where(sums.pop("recent_reviews") > 0)
    recency = sums["recency_days"]
    stages = [recency.isna(), sums["tenure_days"] <= 90, recency <= 180, recency <= 365]
    names = [None, "new", "active", "lapsing"]
    features = sums.assign(
        active_months=sums["active_months"].where(sums["active_months"] > 0).astype("Int64"),
        avg_rating=_quotient(sums, "rating_tenths_sum", "rated_reviews", 10),
        avg_discount=_quotient(sums, "discount_bp_sum", "discounted_reviews", 100),
        avg_spend=_quotient(sums, "paid_minor_sum", "priced_reviews", 100),
        recent_engagement=units.astype("Float64") / (50 * _UNITS * 2 ** ((as_of_day - reference) / 180)),
        lifecycle_stage=np.select([stage.fillna(False).to_numpy(bool) for stage in stages], names, "lapsed"),
        as_of=pd.Timestamp(as_of_day * 86_400, unit="s").date(),
    )
    features["engagement_score"] = features["total_reviews"] * features["avg_rating"]
    return features.reset_index()


def _quotient(sums: pd.DataFrame, total: str, count: str, per_unit: int) -> pd.Series:
    return sums[total].astype("Float64") / (sums[count].where(sums[count] > 0).astype("Float64") * per_unit)


def _user_hash(user_id: str) -> int:
    return int(hashlib.md5(user_id.encode(), usedforsecurity=False).hexdigest()[:8], 16)


if __name__ == "__main__":
    perform(write_tables)
