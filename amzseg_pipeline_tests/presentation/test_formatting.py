"""Numbers and names as people read them."""

import pytest

from amzseg_pipeline.presentation import formatting as words


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
    assert words.money(amount, currency) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (1_500, "1.5k"), (20_000, "20k"), (2e6, "2M"), (3.25e9, "3.25B")],
)
def test_ticks_are_short(number, text):
    assert words.compact(number) == text
    assert words.compact_money(number, "USD") == f"${text}"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        *((0, "0 %"), (1, "100 %"), (0.42, "42 %"), (0.0223, "2.2 %"), (0.00022, "0.022 %")),
        *((0.978, "97.8 %"), (0.99999, "99.9 %")),
    ],
)
def test_a_percentage_has_the_decimals_it_needs_and_no_share_below_all_is_all(share, text):
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("category", "name"),
    [
        ("HomeTheater,TV&Video", "Home Theater, TV & Video"),
        ("Headphones,Earbuds&Accessories", "Headphones, Earbuds & Accessories"),
        ("Gift Cards", "Gift Cards"),
        ("USBCables", "USBCables"),
    ],
)
def test_a_category_is_written_as_people_write_it(category, name):
    assert words.category_name(category) == name


@pytest.mark.parametrize(
    ("correlation", "word"),
    [(0.05, "hardly"), (-0.2, "weakly"), (0.45, "moderately"), (-0.5, "strongly"), (1.0, "strongly")],
)
def test_a_correlation_has_a_word(correlation, word):
    assert words.strength(correlation) == word


def test_counts_and_samples_are_in_words():
    assert words.counted(1, "review") == "1 review"
    assert words.counted(9_269, "review") == "9,269 reviews"
    assert words.sampled(50, 50, "user") == "50 users"
    assert words.sampled(5_000, 9_050, "user") == "5,000 of 9,050 users"
    assert words.signed(-0.001) == "+0.00"
