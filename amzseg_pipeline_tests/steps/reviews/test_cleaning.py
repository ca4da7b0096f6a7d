"""Validation, rejection and deduplication of reviews, and row reconciliation."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.reviews import CLEANED_REVIEWS, RAW_REVIEWS, REJECTED_REVIEWS, RejectionReason
from amzseg_pipeline.steps import reviews
from amzseg_pipeline_tests.frames import ENGINES, frame, rows_of

RAW_ROW = {
    "source_file": "a.csv",
    "batch": "0123456789abcdef",
    "row_number": 1,
    "user_id": "U1",
    "user_hash": 7,
    "item_id": "P1",
    "review_id": "R1",
    "rating": "4.2",
    "rating_count": "1,000",
    "paid_price": "₹399",
    "list_price": "₹1,099",
    "discount_percent": "64%",
    "currency": "INR",
    "category": "A|B",
}


def cleaned(*rows, engine="duckdb"):
    """The rows of cleaned_reviews made from these rows of raw_reviews."""
    return rows_of(
        reviews.cleaned_reviews(reviews.validated_reviews(frame(RAW_REVIEWS, rows, engine=engine))),
        "user_id",
        "review_id",
    )


def rejected(*rows, engine="duckdb"):
    """The rows of rejected_reviews made from these rows of raw_reviews."""
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, rows, engine=engine))
    return rows_of(reviews.rejected_reviews(validated), "row_number")


@pytest.mark.parametrize("engine", ENGINES)
def test_valid_row_becomes_a_typed_review(engine):
    assert cleaned(RAW_ROW, engine=engine) == [
        {
            "user_id": "U1",
            "user_hash": 7,
            "item_id": "P1",
            "review_id": "R1",
            "rating_tenths": 42,
            "rating_count": 1000,
            "paid_minor": 39_900,
            "list_minor": 109_900,
            "discount_bp": 6_369,
            "currency": "INR",
            "category": "A|B",
            "reviewed_at_ms": None,
            "unreadable": None,
            "duplicate_count": 0,
        }
    ]


def test_unreadable_value_becomes_null_and_is_named_but_empty_is_not():
    (review,) = cleaned(RAW_ROW | {"rating": "|", "paid_price": "free", "rating_count": "", "list_price": None})
    assert review["unreadable"] == "rating,paid_price"
    assert [review[name] for name in ("rating_tenths", "paid_minor", "rating_count", "list_minor")] == [None] * 4
    assert review["discount_bp"] == 6_400


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"user_id": None}, RejectionReason.MISSING_USER),
        ({"user_id": ""}, RejectionReason.MISSING_USER),
        ({"review_id": ""}, RejectionReason.MISSING_REVIEW),
        ({"item_id": None}, RejectionReason.MISSING_ITEM),
        ({"user_id": "", "review_id": "", "item_id": ""}, RejectionReason.MISSING_USER),
        ({"read_error": str(RejectionReason.UNEQUAL_LISTS), "user_id": None}, RejectionReason.UNEQUAL_LISTS),
        ({"read_error": str(RejectionReason.DAMAGED_RECORD)}, RejectionReason.DAMAGED_RECORD),
        ({"read_error": f"{RejectionReason.DAMAGED_RECORD}; a; b\nc"}, RejectionReason.DAMAGED_RECORD),
    ],
)
def test_rejected_row_has_its_first_reason_and_its_text(changes, reason):
    row = RAW_ROW | changes
    (found,) = rejected(row)
    details = (row.get("read_error") or "").partition("; ")[2] or None
    texts = {name: row.get(name) for name in REJECTED_REVIEWS.column_names}
    assert found == texts | {"reason": str(reason), "details": details}
    assert cleaned(row) == []


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"rating_count": "5"}, {"rating_count": "6"}, {"rating_count": 6}),
        ({"rating_count": ""}, {"rating_count": "1"}, {"rating_count": 1}),
        ({"item_id": "P2"}, {"item_id": "P1"}, {"item_id": "P1"}),
        ({"paid_price": "₹400"}, {"paid_price": "₹399"}, {"paid_minor": 39_900}),
        ({"paid_price": ""}, {"paid_price": "₹399"}, {"paid_minor": 39_900}),
        ({"list_price": "₹1,099"}, {"list_price": "₹1,000"}, {"list_minor": 100_000}),
        ({"rating": "4"}, {"rating": "5"}, {"rating_tenths": 50}),
        ({"category": "B"}, {"category": "A"}, {"category": "A"}),
        ({"rating_count": "6", "item_id": "P2"}, {"rating_count": "5", "item_id": "P1"}, {"item_id": "P2"}),
    ],
)
def test_kept_duplicate_depends_on_values_and_not_on_order(first, second, kept):
    for rows in ((first, second), (second, first)):
        numbered = [RAW_ROW | row | {"row_number": number} for number, row in enumerate(rows, start=1)]
        (review,) = cleaned(*numbered)
        assert review | kept == review
        assert review["duplicate_count"] == 1


def test_same_review_id_of_two_users_is_two_reviews():
    assert len(cleaned(RAW_ROW, RAW_ROW | {"user_id": "U2"})) == 2


small_rows = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["U1", "U2", "U3", "", None]),
            "review_id": st.sampled_from(["R1", "R2", "R3", "R4", "", None]),
            "item_id": st.sampled_from(["P1", "P2", ""]),
            "rating": st.sampled_from(["5", "4.2", "|", "", "9"]),
            "rating_count": st.sampled_from(["10", "1,000", "x", None]),
            "paid_price": st.sampled_from(["₹1", "₹2,000", "-5", ""]),
            "list_price": st.sampled_from(["₹1", "₹3,000", None]),
            "read_error": st.sampled_from([None, None, None, str(RejectionReason.DAMAGED_RECORD)]),
        }
    ),
    max_size=25,
)


@given(rows=small_rows, seed=st.integers(0, 99), engine=st.sampled_from(sorted(ENGINES)))
def test_rows_reconcile_and_row_order_does_not_matter(rows, seed, engine):
    raw = [RAW_ROW | row | {"row_number": number} for number, row in enumerate(rows, start=1)]
    shuffled = random.Random(seed).sample(raw, len(raw))
    assert cleaned(*raw, engine=engine) == cleaned(*shuffled, engine="duckdb")
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, raw, engine=engine))
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=len(raw), cleaned=reviews.cleaned_reviews(validated), rejected=reviews.rejected_reviews(validated)
    )
    assert row_reconciliation.reconciles
    kept_or_duplicate = row_reconciliation.cleaned + row_reconciliation.duplicates
    assert kept_or_duplicate + row_reconciliation.rejected == len(raw)


def exported(review):
    """A cleaned review as text of an export."""
    money = {name: review[f"{name}_minor"] for name in ("paid", "list")}
    prices = {f"{name}_price": None if minor is None else f"{minor / 100:.2f}" for name, minor in money.items()}
    rating, discount = review["rating_tenths"], review["discount_bp"]
    return {
        **{name: review[name] for name in ("user_id", "user_hash", "item_id", "review_id", "currency", "category")},
        **prices,
        "rating": None if rating is None else f"{rating / 10}",
        "rating_count": None if review["rating_count"] is None else f"{review['rating_count']:,}",
        "discount_percent": None if discount is None else f"{discount / 100}%",
        "reviewed_at": review["reviewed_at_ms"],
    }


@given(rows=small_rows, engine=st.sampled_from(sorted(ENGINES)))
def test_cleaning_is_idempotent(rows, engine):
    once = cleaned(*(RAW_ROW | row | {"row_number": number} for number, row in enumerate(rows, start=1)))
    again = cleaned(*(RAW_ROW | exported(review) for review in once), engine=engine)
    assert again == [review | {"duplicate_count": 0, "unreadable": None} for review in once]


def test_reconciliation_detects_a_lost_row():
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, [RAW_ROW, RAW_ROW | {"review_id": ""}]))
    tables = {"cleaned": reviews.cleaned_reviews(validated), "rejected": reviews.rejected_reviews(validated)}
    summary = reviews.row_reconciliation(raw_rows=2, **tables).summary
    assert summary == "2 raw rows = 1 cleaned + 0 duplicates + 1 rejected"
    assert not reviews.row_reconciliation(raw_rows=3, **tables).reconciles


def test_unreadable_values_are_counted_per_column():
    rows = [RAW_ROW | {"review_id": f"R{n}", "rating": "|" if n < 2 else "4"} for n in range(8)]
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, rows))
    row_reconciliation = reviews.row_reconciliation(
        raw_rows=8, cleaned=reviews.cleaned_reviews(validated), rejected=reviews.rejected_reviews(validated)
    )
    assert row_reconciliation.unreadable == {"rating": 2}
    assert row_reconciliation.loss_rates == {"rejected": 0.0, "unreadable rating": 0.25}


@pytest.mark.parametrize("engine", ENGINES)
def test_tables_have_the_columns_of_their_contract(engine):
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, [RAW_ROW], engine=engine))
    assert tuple(reviews.cleaned_reviews(validated).collect_schema().names()) == CLEANED_REVIEWS.column_names
    assert tuple(reviews.rejected_reviews(validated).collect_schema().names()) == REJECTED_REVIEWS.column_names
