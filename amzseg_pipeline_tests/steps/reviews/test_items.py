"""Validation and deduplication of items, and the prices that reviews take from them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.reviews import ITEMS, RAW_ITEMS, RAW_REVIEWS, REJECTED_ITEMS, PriceIssue, RejectionReason
from amzseg_pipeline.steps import reviews
from amzseg_pipeline_tests.frames import ENGINES, frame, rows_of

RECORD = {
    "source_file": "meta.jsonl",
    "batch": "0123456789abcdef",
    "row_number": 1,
    "item_id": "P1",
    "price": "$12.99",
    "currency": "USD",
    "category": "A|B",
}
REVIEW = {
    "source_file": "a",
    "batch": "b",
    "row_number": 1,
    "user_id": "U",
    "user_hash": 7,
    "item_id": "P1",
    "review_id": "R",
}
ITEM = {"item_id": "P1", "price_minor": 1299, "currency": "USD", "category": "A", "duplicate_count": 0}


def items(*records, engine="duckdb"):
    """The rows of items made from these records of raw_items."""
    return rows_of(reviews.items(reviews.validated_items(frame(RAW_ITEMS, records, engine=engine))), "item_id")


def priced(review, *known, engine="duckdb"):
    """One row of raw_reviews with the prices of these items."""
    validated = reviews.validated_reviews(frame(RAW_REVIEWS, [REVIEW | review], engine=engine))
    [row] = rows_of(reviews.with_item_prices(validated, frame(ITEMS, known, engine=engine)), "row_number")
    return row


@pytest.mark.parametrize("engine", ENGINES)
def test_record_becomes_an_item(engine):
    assert items(RECORD, engine=engine) == [
        {
            "item_id": "P1",
            "price_minor": 1299,
            "currency": "USD",
            "category": "A|B",
            "price_issue": None,
            "duplicate_count": 0,
        }
    ]


@pytest.mark.parametrize(
    ("price", "minor", "issue"),
    [
        ("$12.99", 1299, None),
        ("$1,250.00", 125_000, None),
        ("12.99", 1299, None),
        ("7", 700, None),
        ("12.5", 1250, None),
        (None, None, None),
        ("", None, None),
        ("0.0", None, PriceIssue.ZERO),
        ("0", None, PriceIssue.ZERO),
        ("$0.00", None, PriceIssue.ZERO),
        ("from 14.99", None, PriceIssue.UNREADABLE),
        ("$5.00 - $13.99", None, PriceIssue.UNREADABLE),
        ("—", None, PriceIssue.UNREADABLE),
        (".a-box-inner{background-color:#fff}", None, PriceIssue.UNREADABLE),
        ("-5", None, PriceIssue.UNREADABLE),
        ("12.999", None, PriceIssue.UNREADABLE),
        ("1e3", None, PriceIssue.UNREADABLE),
    ],
)
def test_item_price_is_an_amount_above_zero_or_unknown(price, minor, issue):
    (item,) = items(RECORD | {"price": price})
    assert (item["price_minor"], item["price_issue"]) == (minor, issue and str(issue))
    assert item["currency"] == (None if minor is None else "USD")


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"price": ""}, {"price": "$5"}, {"price_minor": 500}),
        ({"price": "0.0"}, {"price": "$5"}, {"price_minor": 500, "price_issue": None}),
        ({"price": "$6"}, {"price": "$5"}, {"price_minor": 500}),
        ({"category": "B"}, {"category": "A"}, {"category": "A"}),
        ({"category": None}, {"category": "A"}, {"category": "A"}),
        ({"price": "", "category": "A"}, {"price": "$5", "category": "B"}, {"price_minor": 500, "category": "B"}),
        ({"price": ""}, {"price": "junk"}, {"price_issue": str(PriceIssue.UNREADABLE)}),
    ],
)
def test_kept_record_depends_on_values_and_not_on_order(first, second, kept):
    for pair in ((first, second), (second, first)):
        (item,) = items(*(RECORD | record for record in pair))
        assert item | kept == item
        assert item["duplicate_count"] == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"item_id": None}, RejectionReason.MISSING_ITEM),
        ({"item_id": ""}, RejectionReason.MISSING_ITEM),
        (
            {"read_error": str(RejectionReason.DAMAGED_RECORD), "item_id": None, "price": None},
            RejectionReason.DAMAGED_RECORD,
        ),
    ],
)
def test_rejected_record_has_its_reason_and_its_location(changes, reason):
    record = RECORD | changes
    validated = reviews.validated_items(frame(RAW_ITEMS, [record]))
    (found,) = rows_of(reviews.rejected_items(validated), "row_number")
    assert found == {name: record.get(name) for name in REJECTED_ITEMS.column_names} | {"reason": str(reason)}
    assert items(record) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_review_without_a_price_takes_that_of_its_item(engine):
    row = priced({}, ITEM, engine=engine)
    assert (row["paid_minor"], row["currency"], row["category"]) == (1299, "USD", "A")
    assert (row["list_minor"], row["discount_bp"], row["unreadable"]) == (None, None, None)


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        ({"paid_price": "$5", "currency": "USD", "category": "B"}, (500, "USD", "B")),
        ({"paid_price": "free", "currency": "USD"}, (None, "USD", "A")),
        ({"item_id": "P2"}, (None, None, None)),
        ({"item_id": None}, (None, None, None)),
        ({"category": "B"}, (1299, "USD", "B")),
    ],
)
def test_review_keeps_its_own_values(review, expected):
    row = priced(review, ITEM, ITEM | {"item_id": "P3", "price_minor": 1})
    assert (row["paid_minor"], row["currency"], row["category"]) == expected


def test_item_without_a_price_gives_only_its_category():
    row = priced({"currency": "EUR"}, ITEM | {"price_minor": None, "currency": None})
    assert (row["paid_minor"], row["currency"], row["category"]) == (None, "EUR", "A")


def test_items_reconcile_and_price_issues_are_counted():
    records = [
        RECORD | {"item_id": f"P{n % 6}", "price": price} for n, price in enumerate(["$1", "0", "x", "y", "", None] * 2)
    ]
    validated = reviews.validated_items(frame(RAW_ITEMS, [*records, RECORD | {"item_id": ""}]))
    row_reconciliation = reviews.item_reconciliation(
        raw_rows=13, items=reviews.items(validated), rejected=reviews.rejected_items(validated)
    )
    assert row_reconciliation.reconciles
    assert (row_reconciliation.cleaned, row_reconciliation.duplicates) == (6, 6)
    assert row_reconciliation.rejected_by_reason == {str(RejectionReason.MISSING_ITEM): 1}
    assert row_reconciliation.unreadable == {str(PriceIssue.UNREADABLE): 2, str(PriceIssue.ZERO): 1}


records = st.lists(
    st.fixed_dictionaries(
        {
            "item_id": st.sampled_from(["P1", "P2", "P3", "", None]),
            "price": st.sampled_from(["$1", "$2", "0.0", "junk", "", None]),
            "category": st.sampled_from(["A", "B", None]),
            "read_error": st.sampled_from([None, None, None, str(RejectionReason.DAMAGED_RECORD)]),
        }
    ),
    max_size=20,
)


@given(rows=records, seed=st.integers(0, 99), engine=st.sampled_from(sorted(ENGINES)))
def test_record_order_and_engine_do_not_matter(rows, seed, engine):
    raw = [RECORD | row | {"row_number": number} for number, row in enumerate(rows, start=1)]
    shuffled = random.Random(seed).sample(raw, len(raw))
    assert items(*raw, engine=engine) == items(*shuffled)
