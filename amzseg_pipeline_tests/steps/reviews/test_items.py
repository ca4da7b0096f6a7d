"""Which records are items, what they cost, and which reviews take that price."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.reviews import ITEMS, RAW_ITEMS, RAW_REVIEWS, REJECTED_ITEMS, PriceFault, Rejection
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
ITEM = {"item_id": "P1", "price_minor": 1299, "currency": "USD", "category": "A", "duplicate_rows": 1}


def items(*records, engine="duckdb"):
    """The rows of items that `records` of raw_items give."""
    return rows_of(reviews.items(reviews.checked_items(frame(RAW_ITEMS, records, engine=engine))), "item_id")


def priced(review, *known, engine="duckdb"):
    """What one row of raw_reviews becomes beside the items known."""
    checked = reviews.checked_reviews(frame(RAW_REVIEWS, [REVIEW | review], engine=engine))
    [row] = rows_of(reviews.with_item_prices(checked, frame(ITEMS, known, engine=engine)), "row_number")
    return row


@pytest.mark.parametrize("engine", ENGINES)
def test_a_record_becomes_an_item(engine):
    assert items(RECORD, engine=engine) == [
        {
            "item_id": "P1",
            "price_minor": 1299,
            "currency": "USD",
            "category": "A|B",
            "price_fault": None,
            "duplicate_rows": 1,
        }
    ]


@pytest.mark.parametrize(
    ("price", "minor", "fault"),
    [
        ("$12.99", 1299, None),
        ("$1,250.00", 125_000, None),
        ("12.99", 1299, None),
        ("7", 700, None),
        ("12.5", 1250, None),
        (None, None, None),
        ("", None, None),
        ("0.0", None, PriceFault.ZERO),
        ("0", None, PriceFault.ZERO),
        ("$0.00", None, PriceFault.ZERO),
        ("from 14.99", None, PriceFault.UNREADABLE),
        ("$5.00 - $13.99", None, PriceFault.UNREADABLE),
        ("—", None, PriceFault.UNREADABLE),
        (".a-box-inner{background-color:#fff}", None, PriceFault.UNREADABLE),
        ("-5", None, PriceFault.UNREADABLE),
        ("12.999", None, PriceFault.UNREADABLE),
        ("1e3", None, PriceFault.UNREADABLE),
    ],
)
def test_a_price_is_an_amount_above_zero_or_unknown(price, minor, fault):
    (item,) = items(RECORD | {"price": price})
    assert (item["price_minor"], item["price_fault"]) == (minor, fault and str(fault))
    assert item["currency"] == (None if minor is None else "USD")


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"price": ""}, {"price": "$5"}, {"price_minor": 500}),
        ({"price": "0.0"}, {"price": "$5"}, {"price_minor": 500, "price_fault": None}),
        ({"price": "$6"}, {"price": "$5"}, {"price_minor": 500}),
        ({"category": "B"}, {"category": "A"}, {"category": "A"}),
        ({"category": None}, {"category": "A"}, {"category": "A"}),
        ({"price": "", "category": "A"}, {"price": "$5", "category": "B"}, {"price_minor": 500, "category": "B"}),
        ({"price": ""}, {"price": "junk"}, {"price_fault": str(PriceFault.UNREADABLE)}),
    ],
)
def test_which_record_stays_depends_on_what_it_says(first, second, kept):
    for pair in ((first, second), (second, first)):
        (item,) = items(*(RECORD | record for record in pair))
        assert item | kept == item
        assert item["duplicate_rows"] == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"item_id": None}, Rejection.MISSING_ITEM),
        ({"item_id": ""}, Rejection.MISSING_ITEM),
        ({"reader_fault": str(Rejection.DAMAGED_RECORD), "item_id": None, "price": None}, Rejection.DAMAGED_RECORD),
    ],
)
def test_a_record_that_is_no_item_is_rejected_with_its_place(fault, reason):
    record = RECORD | fault
    checked = reviews.checked_items(frame(RAW_ITEMS, [record]))
    (found,) = rows_of(reviews.rejected_items(checked), "row_number")
    assert found == {name: record.get(name) for name in REJECTED_ITEMS.column_names} | {"reason": str(reason)}
    assert items(record) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_review_without_a_price_takes_that_of_its_item(engine):
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
def test_a_review_keeps_what_it_states_itself(review, expected):
    row = priced(review, ITEM, ITEM | {"item_id": "P3", "price_minor": 1})
    assert (row["paid_minor"], row["currency"], row["category"]) == expected


def test_an_item_without_a_price_gives_its_category_alone():
    row = priced({"currency": "EUR"}, ITEM | {"price_minor": None, "currency": None})
    assert (row["paid_minor"], row["currency"], row["category"]) == (None, "EUR", "A")


def test_accounts_of_items_balance_and_count_prices_that_are_none():
    records = [
        RECORD | {"item_id": f"P{n % 6}", "price": price} for n, price in enumerate(["$1", "0", "x", "y", "", None] * 2)
    ]
    checked = reviews.checked_items(frame(RAW_ITEMS, [*records, RECORD | {"item_id": ""}]))
    row_reconciliation = reviews.item_reconciliation(
        raw_rows=13, items=reviews.items(checked), rejected=reviews.rejected_items(checked)
    )
    assert row_reconciliation.reconciles
    assert (row_reconciliation.cleaned, row_reconciliation.duplicates) == (6, 6)
    assert row_reconciliation.rejected == {str(Rejection.MISSING_ITEM): 1}
    assert row_reconciliation.unreadable == {str(PriceFault.UNREADABLE): 2, str(PriceFault.ZERO): 1}


records = st.lists(
    st.fixed_dictionaries(
        {
            "item_id": st.sampled_from(["P1", "P2", "P3", "", None]),
            "price": st.sampled_from(["$1", "$2", "0.0", "junk", "", None]),
            "category": st.sampled_from(["A", "B", None]),
            "reader_fault": st.sampled_from([None, None, None, str(Rejection.DAMAGED_RECORD)]),
        }
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None)
@given(rows=records, seed=st.integers(0, 99), engine=st.sampled_from(sorted(ENGINES)))
def test_the_order_of_records_and_the_engine_change_nothing(rows, seed, engine):
    raw = [RECORD | row | {"row_number": number} for number, row in enumerate(rows, start=1)]
    shuffled = random.Random(seed).sample(raw, len(raw))
    assert items(*raw, engine=engine) == items(*shuffled)
