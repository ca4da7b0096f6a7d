"""Labels and values of the features."""

import pytest

from amzseg_pipeline.presentation.labels import UNKNOWN, feature_axis_title, feature_heading, feature_value


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("total_reviews", 1, "1\N{NO-BREAK SPACE}review"),
        ("total_reviews", 2.5, "2.5\N{NO-BREAK SPACE}reviews"),
        ("avg_rating", 4, "4.0\N{NO-BREAK SPACE}★"),
        ("avg_discount", 63, "63.0%"),
        ("avg_spend", 509, "₹509"),
        ("engagement_score", 7.54, "7.5\N{NO-BREAK SPACE}points"),
        ("avg_rating", None, UNKNOWN),
        ("avg_rating", float("nan"), UNKNOWN),
    ],
)
def test_feature_values_have_their_unit(name, value, text):
    assert feature_value(name, value, currency="INR") == text


def test_means_keep_a_decimal_and_units_can_be_left_out():
    assert feature_value("total_reviews", 1, currency=None, is_mean=True) == "1.0\N{NO-BREAK SPACE}reviews"
    assert feature_value("avg_discount", 63, currency=None, unit=False) == "63.0"


def test_headings_and_axis_titles_name_the_unit():
    assert feature_heading("total_reviews", "INR") == "Reviews"
    assert feature_heading("avg_spend", "INR") == "Average spend (INR)"
    assert feature_axis_title("total_reviews", None) == "reviews per user"
    assert feature_axis_title("avg_spend", None) == "mean price paid (currency of the source)"
