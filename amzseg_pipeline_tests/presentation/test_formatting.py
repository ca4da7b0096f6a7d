"""Numbers, times and names as text."""

from datetime import UTC, date, datetime, timedelta

import pytest

from amzseg_pipeline.presentation import formatting


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1299, "INR", "₹1,299"),
        (139_900.4, "INR", "₹139,900"),
        (5.49, "USD", "$5.49"),
        (5, "USD", "$5"),
        (0, "EUR", "€0"),
        (1299, "SEK", "SEK 1,299"),
        (1299, None, "1,299"),
    ],
)
def test_money_has_its_currency_and_thousands(amount, currency, text):
    assert formatting.money(amount, currency) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (1_500, "1.5k"), (20_000, "20k"), (2e6, "2M"), (3.25e9, "3.25B")],
)
def test_axis_labels_are_short(number, text):
    assert formatting.compact(number) == text
    assert formatting.compact_money(number, "USD") == f"${text}"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0, "0%"), (1, "100%"), (0.42, "42%"), (0.0223, "2.2%"), (0.00022, "0.022%")),
        *((0.978, "97.8%"), (0.99999, "99.9%")),
    ],
)
def test_percentages_have_the_decimals_they_need(share, text):
    assert formatting.percent(share) == text


def test_percentages_can_have_fixed_decimals():
    assert formatting.percent(0.4449, decimals=1) == "44.5%"


@pytest.mark.parametrize(
    ("category", "name"),
    [
        ("HomeTheater,TV&Video", "Home Theater, TV & Video"),
        ("Headphones,Earbuds&Accessories", "Headphones, Earbuds & Accessories"),
        ("Gift Cards", "Gift Cards"),
        ("USBCables", "USBCables"),
        ("x" * 4_000, "x" * 59 + "…"),
    ],
)
def test_categories_get_spaces_between_nouns(category, name):
    assert formatting.category_name(category) == name


@pytest.mark.parametrize(
    ("correlation", "adverb"),
    [(0.05, "hardly"), (-0.2, "weakly"), (0.45, "moderately"), (-0.5, "strongly"), (1.0, "strongly")],
)
def test_correlation_strengths(correlation, adverb):
    assert formatting.strength(correlation) == adverb


def test_counts_and_samples():
    assert formatting.counted(1, "review") == "1 review"
    assert formatting.counted(9_269, "review") == "9,269 reviews"
    assert formatting.sampled(50, 50, "user") == "50 users"
    assert formatting.sampled(5_000, 9_050, "user") == "5,000 of 9,050 users"


@pytest.mark.parametrize(
    ("number", "decimals", "text"),
    [(1204, 0, "+1,204"), (-3, 0, "\N{MINUS SIGN}3"), (0, 0, "0"), (-0.001, 2, "0.00"), (0.257, 2, "+0.26")],
)
def test_signed_numbers(number, decimals, text):
    assert formatting.signed(number, decimals=decimals) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        *((timedelta(seconds=100), "just now"), (timedelta(minutes=2), "2 minutes ago")),
        *((timedelta(minutes=119), "119 minutes ago"), (timedelta(hours=2), "2 hours ago")),
        *((timedelta(hours=47), "47 hours ago"), (timedelta(days=3), "3 days ago"), (-timedelta(days=1), "just now")),
    ],
)
def test_ages_use_the_largest_useful_unit(span, text):
    assert formatting.age(span) == text


def test_dates_and_lists():
    assert formatting.day(date(2026, 11, 3)) == "3 Nov 2026"
    assert formatting.moment(datetime(2026, 11, 23, 15, 20, tzinfo=UTC)) == "23 Nov 2026, 15:20 UTC"
    assert [formatting.joined(phrases) for phrases in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_markdown_is_escaped():
    assert formatting.markdown_escaped("**a** [x](y)\n") == r"\*\*a\*\* \[x\]\(y\)"
