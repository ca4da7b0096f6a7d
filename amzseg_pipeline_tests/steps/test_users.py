"""User features: exact sums, means, nulls for unknown values, and ages from one reference day.

Over 250 lines: an independent computation of every feature.
"""

import math
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import narwhals as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps.table_contract import duplicate_keys, rule_violations, schema_violations
from amzseg_pipeline.steps.users import as_of_date, user_features
from amzseg_pipeline_tests.frames import ENGINES, frame, rows_of

AS_OF = date(2024, 6, 1)


def day_ms(day: str) -> int:
    """The middle of a day."""
    return int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp() * 1000)


def reviews_of(*reviews):
    """Reviews with the columns that every review has."""
    common = {"user_hash": 1, "item_id": "P", "duplicate_count": 0}
    return [common | {"review_id": f"R{n}"} | review for n, review in enumerate(reviews)]


REVIEWS = reviews_of(
    {"user_id": "U1", "rating_tenths": 42, "paid_minor": 39_900, "discount_bp": 6_369, "reviewed_at_ms": 5},
    {"user_id": "U1", "rating_tenths": None, "paid_minor": 10_100, "discount_bp": None, "reviewed_at_ms": 9},
    {"user_id": "U1", "rating_tenths": 30, "paid_minor": None, "discount_bp": 0, "reviewed_at_ms": None},
    {"user_id": "U2", "rating_tenths": None, "paid_minor": None, "discount_bp": None, "reviewed_at_ms": None},
)


@pytest.mark.parametrize("engine", ENGINES)
def test_features_are_means_of_what_is_known(engine):
    features = user_features(frame(CLEANED_REVIEWS, REVIEWS, engine=engine), as_of=AS_OF)
    assert schema_violations(features, USER_FEATURES) == []
    first, second = rows_of(features, "user_id")
    assert first == {
        "user_id": "U1",
        "user_hash": 1,
        "total_reviews": 3,
        "avg_rating": 3.6,
        "avg_discount": 31.845,
        "avg_spend": 250.0,
        "engagement_score": 3 * 3.6,
        "recent_engagement": 0.0,
        "recency_days": (AS_OF - date(1970, 1, 1)).days,
        "tenure_days": (AS_OF - date(1970, 1, 1)).days,
        "active_months": 1,
        "lifecycle_stage": "lapsed",
        "rated_reviews": 2,
        "discounted_reviews": 2,
        "priced_reviews": 2,
        "future_reviews": 0,
        "rating_tenths_sum": 72,
        "rating_square_sum": 42**2 + 30**2,
        "discount_bp_sum": 6_369,
        "discount_square_sum": 6_369**2,
        "paid_minor_sum": 50_000,
        "log_paid_sum": 5_991 + 4_625,
        "log_paid_square_sum": 5_991**2 + 4_625**2,
        "first_reviewed_at_ms": 5,
        "last_reviewed_at_ms": 9,
        "as_of": AS_OF,
    }
    known = {name for name, value in second.items() if value is not None}
    assert known == {name for name in first if name.endswith(("_sum", "_reviews"))} | {"user_id", "user_hash", "as_of"}
    assert second["total_reviews"] == 1
    assert {second[name] for name in known if name.endswith("_sum")} == {0}


@pytest.mark.parametrize("engine", ENGINES)
def test_contract_holds_and_violations_are_counted(engine):
    valid = rows_of(user_features(frame(CLEANED_REVIEWS, REVIEWS, engine=engine), as_of=AS_OF))
    assert set(violations_of(valid, engine).values()) == {0}
    invalid = [valid[0] | {"avg_rating": 5.5}, valid[0] | {"total_reviews": 0, "avg_spend": float("inf")}, valid[1]]
    found = {rule: count for rule, count in violations_of(invalid, engine).items() if count}
    assert found == {
        "avg_rating above 5": 1,
        "total_reviews below 1": 1,
        "avg_spend is not finite": 1,
        "duplicates": 1,
    }


def violations_of(rows, engine):
    """The number of violations per rule of the contract."""
    table = frame(USER_FEATURES, rows, engine=engine)
    (violations,), (duplicates,) = (
        rows_of(rule_violations(table, USER_FEATURES)),
        rows_of(duplicate_keys(table, USER_FEATURES)),
    )
    return {rule: int(count) for rule, count in (violations | duplicates).items() if rule != "rows"}


def test_schema_violations_are_listed_per_column():
    reviews = frame(CLEANED_REVIEWS, REVIEWS)
    assert "column 'total_reviews' is missing" in schema_violations(reviews, USER_FEATURES)
    assert "column 'rating_tenths' is not in the contract" in schema_violations(reviews, USER_FEATURES)


@pytest.mark.parametrize(
    ("newest", "run_date", "as_of"),
    [
        ("2024-05-30", "2024-06-01", "2024-05-30"),
        ("2024-06-01", "2024-06-01", "2024-06-01"),
        ("2031-01-01", "2024-06-01", "2024-06-01"),
        (None, "2024-06-01", "2024-06-01"),
    ],
)
def test_ages_count_from_the_earlier_of_newest_review_and_run(newest, run_date, as_of):
    found = as_of_date(newest and day_ms(newest), run_date=date.fromisoformat(run_date))
    assert found == date.fromisoformat(as_of)


LIVES = [
    (["2024-06-01"], 0, 0, 1, "new"),
    (["2024-03-03"], 90, 90, 1, "new"),
    (["2024-03-02"], 91, 91, 1, "active"),
    (["2023-12-04", "2020-02-29"], 180, 1554, 2, "active"),
    (["2023-12-03"], 181, 181, 1, "lapsing"),
    (["2023-06-02", "2023-06-30", "2022-06-30"], 337, 702, 2, "lapsing"),
    (["2023-06-02"], 365, 365, 1, "lapsing"),
    (["2023-06-01"], 366, 366, 1, "lapsed"),
    (["2025-01-01", "2024-05-31"], 0, 1, 2, "new"),
    (["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01"], 92, 153, 4, "active"),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_lifecycle_follows_from_first_and_last_review(engine):
    reviews = reviews_of(
        *({"user_id": f"{n:02d}", "reviewed_at_ms": day_ms(day)} for n, life in enumerate(LIVES) for day in life[0]),
        *({"user_id": f"{n:02d}", "rating_tenths": 50} for n in range(len(LIVES))),
    )
    rows = rows_of(user_features(frame(CLEANED_REVIEWS, reviews, engine=engine), as_of=AS_OF), "user_id")
    names = ("recency_days", "tenure_days", "active_months", "lifecycle_stage")
    assert [tuple(row[name] for name in names) for row in rows] == [life[1:] for life in LIVES]
    assert [row["future_reviews"] for row in rows] == [0] * 8 + [1, 0]
    assert {row["recent_engagement"] for row in rows} == {None}


def test_months_are_those_of_the_calendar_for_every_day_until_2100():
    days = pd.Series(pd.date_range("1970-01-01", "2099-12-31", freq="D"))
    reviews = pl.DataFrame({"user_id": days.dt.strftime("%Y"), "reviewed_at_ms": days.astype("int64") // 10**3})
    missing = {c.name: pl.lit(None, pl.Int64) for c in CLEANED_REVIEWS.columns if c.name not in reviews.columns}
    table = nw.from_native(reviews.with_columns(**missing).lazy())
    features = user_features(table, as_of=date(2099, 12, 31)).collect().to_native()
    assert features["active_months"].to_list() == [12] * 130
    by_month = reviews.with_columns(user_id=pl.Series(days.dt.strftime("%Y-%m")))
    features = user_features(nw.from_native(by_month.with_columns(**missing).lazy()), as_of=date(2099, 12, 31))
    assert features.collect().to_native()["active_months"].to_list() == [1] * 1560


@pytest.mark.parametrize("engine", ENGINES)
def test_recent_engagement_halves_every_180_days(engine):
    ages = [0, 1, 89, 180, 360, 5000, 9000]
    ratings = [50, 10, 37, 50, 25, 50, 50]
    reviews = reviews_of(
        *(
            {"user_id": user, "rating_tenths": rating, "reviewed_at_ms": day_ms(str(AS_OF - timedelta(days=age)))}
            for age, rating in zip(ages, ratings, strict=True)
            for user in ("all", f"{age:04d}")
        ),
        {"user_id": "all", "rating_tenths": 50},
        {"user_id": "all", "reviewed_at_ms": day_ms("2024-05-01")},
        {"user_id": "future", "rating_tenths": 45, "reviewed_at_ms": day_ms("2030-01-01")},
        {"user_id": "undated", "rating_tenths": 45},
    )
    rows = rows_of(user_features(frame(CLEANED_REVIEWS, reviews, engine=engine), as_of=AS_OF), "user_id")
    found = {row["user_id"]: row["recent_engagement"] for row in rows}
    expected = {f"{a:04d}": r / 50 * 2 ** (-a / 180) for a, r in zip(ages, ratings, strict=True)}
    assert found.pop("undated") is None
    assert found == pytest.approx(expected | {"all": sum(expected.values()), "future": 0.9}, abs=1e-7, rel=0)


def test_no_weight_is_close_to_a_half():
    rate = math.log(2) / 180
    weights = [Decimal(day * rate).exp() * 110_192_001 / 7 for day in range(-5_400, 1_801)]
    assert min(abs(weight % 1 - Decimal("0.5")) for weight in weights) > Decimal("1e-4")
    assert weights[0] < Decimal("0.5")


REVIEW = st.fixed_dictionaries(
    {
        "user_id": st.sampled_from("AB"),
        "rating_tenths": st.none() | st.integers(10, 50),
        "paid_minor": st.none() | st.integers(0, 10**13),
        "discount_bp": st.none() | st.integers(0, 10_000),
        "reviewed_at_ms": st.none() | st.integers(0, 1_900_000_000_000),
    }
)


def test_engine_and_order_do_not_change_the_result():
    draw = random.Random(8)
    reviews = reviews_of(
        *(
            {
                "user_id": f"U{draw.randrange(40)}",
                "rating_tenths": draw.choice([None, draw.randint(10, 50)]),
                "paid_minor": draw.choice([None, draw.randrange(10 ** draw.randint(2, 13))]),
                "discount_bp": draw.choice([None, draw.randint(0, 10_000)]),
                "reviewed_at_ms": draw.choice([None, draw.randrange(1_900_000_000_000)]),
            }
            for _ in range(400)
        )
    )
    found = [
        rows_of(user_features(frame(CLEANED_REVIEWS, shuffled, engine=engine), as_of=AS_OF), "user_id")
        for engine in ENGINES
        for shuffled in (reviews, draw.sample(reviews, len(reviews)))
    ]
    assert all(rows == found[0] for rows in found)


ADDED = {column.name for column in USER_FEATURES.columns if column.name.endswith(("_reviews", "_sum"))}
COMBINED = dict.fromkeys(ADDED, sum) | {"recency_days": min, "tenure_days": max}


@given(st.lists(REVIEW, min_size=2, max_size=9), st.data())
def test_sums_of_subsets_merge_exactly(reviews, data):
    reviews = reviews_of(*({**review, "user_id": "A"} for review in reviews))
    cut = data.draw(st.integers(1, len(reviews) - 1))

    def features_of(part):
        return rows_of(user_features(frame(CLEANED_REVIEWS, part, engine="polars"), as_of=AS_OF))[0]

    complete, parts = features_of(reviews), [features_of(reviews[:cut]), features_of(reviews[cut:])]
    for name, merged in COMBINED.items():
        known = [part[name] for part in parts if part[name] is not None]
        assert complete[name] == (merged(known) if known else None), name


def test_dates_are_in_utc_in_every_time_zone(monkeypatch):
    midnight = int(datetime(2024, 6, 1, tzinfo=UTC).timestamp() * 1000)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    reviews = reviews_of({"user_id": "A", "reviewed_at_ms": midnight - 1}, {"user_id": "B", "reviewed_at_ms": midnight})
    for engine in ENGINES:
        table = frame(CLEANED_REVIEWS, reviews, engine=engine)
        assert as_of_date(midnight, run_date=date(2030, 1, 1)) == AS_OF
        ages = [row["recency_days"] for row in rows_of(user_features(table, as_of=AS_OF), "user_id")]
        assert ages == [1, 0]
