"""Features of users: exact sums, means taken last, nulls where nothing is known."""

import pytest

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS
from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps.contract import repeated_keys, row_faults, schema_faults
from amzseg_pipeline.steps.users import user_features
from amzseg_pipeline_tests.frames import ENGINES, frame, rows_of

REVIEWS = [
    {"user_id": "U1", "rating_tenths": 42, "paid_minor": 39_900, "discount_bp": 6_369, "reviewed_at_ms": 5},
    {"user_id": "U1", "rating_tenths": None, "paid_minor": 10_100, "discount_bp": None, "reviewed_at_ms": 9},
    {"user_id": "U1", "rating_tenths": 30, "paid_minor": None, "discount_bp": 0, "reviewed_at_ms": None},
    {"user_id": "U2", "rating_tenths": None, "paid_minor": None, "discount_bp": None, "reviewed_at_ms": None},
]
REVIEWS = [
    review | {"user_hash": 1, "item_id": "P", "review_id": f"R{n}", "copies": 1} for n, review in enumerate(REVIEWS)
]


@pytest.mark.parametrize("engine", ENGINES)
def test_features_are_means_of_what_is_known(engine):
    features = user_features(frame(CLEANED_REVIEWS, REVIEWS, engine=engine))
    assert schema_faults(features, USER_FEATURES) == []
    first, second = rows_of(features, "user_id")
    assert first == {
        "user_id": "U1",
        "user_hash": 1,
        "total_reviews": 3,
        "avg_rating": 3.6,
        "avg_discount": 31.845,
        "avg_spend": 250.0,
        "engagement_score": 3 * 3.6,
        "rated_reviews": 2,
        "discounted_reviews": 2,
        "priced_reviews": 2,
        "rating_tenths_sum": 72,
        "discount_bp_sum": 6_369,
        "paid_minor_sum": 50_000,
        "first_reviewed_at_ms": 5,
        "last_reviewed_at_ms": 9,
    }
    unknown = ("avg_rating", "avg_discount", "avg_spend", "engagement_score", "last_reviewed_at_ms")
    assert [second[name] for name in unknown] == [None] * 5
    assert second["total_reviews"] == 1
    assert second["paid_minor_sum"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_the_contract_holds_for_features_and_tells_what_breaks_it(engine):
    sound = rows_of(user_features(frame(CLEANED_REVIEWS, REVIEWS, engine=engine)))
    assert set(faults_of(sound, engine).values()) == {0}
    broken = [sound[0] | {"avg_rating": 5.5}, sound[0] | {"total_reviews": 0, "avg_spend": float("inf")}, sound[1]]
    found = {rule: count for rule, count in faults_of(broken, engine).items() if count}
    assert found == {
        "avg_rating above 5": 1,
        "total_reviews below 1": 1,
        "avg_spend is not finite": 1,
        "repeated": 1,
    }


def faults_of(rows, engine):
    """Every rule of the contract with how many values break it."""
    table = frame(USER_FEATURES, rows, engine=engine)
    (faults,), (repeats,) = rows_of(row_faults(table, USER_FEATURES)), rows_of(repeated_keys(table, USER_FEATURES))
    return {rule: int(count) for rule, count in (faults | repeats).items() if rule != "rows"}


def test_a_schema_that_differs_is_told_column_by_column():
    reviews = frame(CLEANED_REVIEWS, REVIEWS)
    assert "column 'total_reviews' lacks" in schema_faults(reviews, USER_FEATURES)
    assert "column 'rating_tenths' is not in the contract" in schema_faults(reviews, USER_FEATURES)
