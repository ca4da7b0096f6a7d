"""Parsing of text values: one rule per value, null where the text does not match."""

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.steps.reviews import values


def read(rule, text):
    """The value that `rule` parses from `text`."""
    frame = nw.from_native(pl.DataFrame({"text": [text]}, schema={"text": pl.String}))
    return frame.select(value=rule(nw.col("text")))["value"][0]


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("₹399", 39_900),
        ("₹1,099", 109_900),
        ("₹1,39,900", 13_990_000),
        ("₹12,34,56,789.05", 12_345_678_905),
        ("$1,250.00", 125_000),
        ("$ 7.5", 750),
        ("€0.29", 29),
        ("1234567", 123_456_700),
        ("0", 0),
        ("0.0", 0),
        ("999999999999.99", 99_999_999_999_999),
    ],
)
def test_price_is_parsed_in_hundredths(text, minor):
    assert read(values.money_minor, text) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-5",
        "free",
        "₹",
        "₹-5",
        "1.234,56",
        "1,23",
        "12,3456",
        "1,2345",
        "1,,000",
        ",100",
        "1e5",
        "NaN",
        "inf",
        "٣٩٩",
        "₹399 ",
        "3.999",
        "399₹",
        "1234567890123",
        "₹399\n",
        "$5 - $9",
        None,
    ],
)
def test_other_text_is_null_as_a_price(text):
    assert read(values.money_minor, text) is None


def indian(number: int) -> str:
    """`number` in Indian grouping: the last three digits, and pairs before them."""
    digits = str(number)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*pairs, tail])


@given(
    minor=st.integers(min_value=0, max_value=10**11 - 1),
    grouped=st.sampled_from([str, indian, "{:,}".format]),
    symbol=st.sampled_from(["", "₹", "$", "€ "]),
)
def test_price_round_trips_through_every_grouping(minor, grouped, symbol):
    text = f"{symbol}{grouped(minor // 100)}.{minor % 100:02d}"
    assert read(values.money_minor, text) == minor


@given(st.text(max_size=12))
def test_no_text_makes_a_rule_fail(text):
    for rule in (values.money_minor, values.percent_bp, values.stars_tenths, values.count, values.milliseconds):
        value = read(rule, text)
        assert value is None or value >= 0


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        (values.stars_tenths, "4.2", 42),
        (values.stars_tenths, "4.20", 42),
        (values.stars_tenths, "5", 50),
        (values.stars_tenths, "5.0", 50),
        (values.stars_tenths, "1", 10),
        (values.stars_tenths, "5.1", None),
        (values.stars_tenths, "0.9", None),
        (values.stars_tenths, "|", None),
        (values.stars_tenths, "4.25", None),
        (values.percent_bp, "64%", 6_400),
        (values.percent_bp, "0%", 0),
        (values.percent_bp, "100%", 10_000),
        (values.percent_bp, "12.5 %", 1_250),
        (values.percent_bp, "101%", None),
        (values.percent_bp, "-3%", None),
        (values.count, "1,79,691", 179_691),
        (values.count, "24,269", 24_269),
        (values.count, "12.5", None),
        (values.milliseconds, "1529193600000", 1_529_193_600_000),
        (values.milliseconds, "-1", None),
        (values.milliseconds, "0", None),
        (values.milliseconds, "1529193600", None),
        (values.milliseconds, "788999999999", None),
        (values.milliseconds, "789000000000", 789_000_000_000),
        (values.milliseconds, "999999999999", 999_999_999_999),
        (values.milliseconds, "4099999999999", 4_099_999_999_999),
        (values.milliseconds, "4100000000000", None),
        (values.milliseconds, "1529193600000000", None),
    ],
)
def test_ratings_percentages_counts_and_times_are_parsed(rule, text, value):
    assert read(rule, text) == value


@pytest.mark.parametrize(
    ("paid", "listed", "stated", "discount"),
    [
        (39_900, 109_900, 6_400, 6_369),
        (100, 100, None, 0),
        (0, 100, None, 10_000),
        (1, 3, None, 6_667),
        (None, 100, 1_250, 1_250),
        (100, None, 1_250, 1_250),
        (None, None, None, None),
        (200, 100, 5_000, None),
        (0, 0, 5_000, None),
    ],
)
def test_stated_discount_is_used_only_where_a_price_is_missing(paid, listed, stated, discount):
    frame = nw.from_native(
        pl.DataFrame(
            {"paid": [paid], "listed": [listed], "stated": [stated]},
            schema={"paid": pl.Int64, "listed": pl.Int64, "stated": pl.Int64},
        )
    )
    rule = values.discount_bp(paid_minor=nw.col("paid"), list_minor=nw.col("listed"), stated_bp=nw.col("stated"))
    assert frame.select(discount=rule)["discount"][0] == discount
