"""What the features of users are called: one label, unit and precision for each, in figures and on pages."""

from dataclasses import dataclass

from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import NO_BREAK_SPACE, money, money_unit

UNKNOWN = "unknown"


@dataclass(frozen=True)
class FeatureLabel:
    """A feature's `label` in a heading, its `noun` in a sentence, its unit after a value and on an axis."""

    label: str
    noun: str
    unit: str
    axis_unit: str
    description: str


FEATURE_LABELS = {
    "total_reviews": FeatureLabel(
        "Reviews", "number of reviews", "reviews", "reviews per user", "Distinct reviews a user has written."
    ),
    "avg_rating": FeatureLabel("Average rating", "mean rating", "★", "stars", "Mean of the ratings, 1 to 5 stars."),
    "avg_discount": FeatureLabel(
        "Average discount", "mean discount", "%", "% of list price", "Mean discount on what was bought."
    ),
    "avg_spend": FeatureLabel("Average spend", "mean price paid", "", "", "Mean price paid for an item."),
    "engagement_score": FeatureLabel(
        "Engagement", "engagement", "points", "reviews × stars", "Reviews × average rating."
    ),
}
assert tuple(FEATURE_LABELS) == FEATURES

FEATURE_NOUNS = {name: feature.noun for name, feature in FEATURE_LABELS.items()}
"""How sentences call the features."""


def feature_value(
    name: str, value: float | None, *, currency: str | None, unit: bool = True, is_mean: bool = False
) -> str:
    """A value of a feature: `2 reviews`, `4.0 ★`, `63.0%`, `₹509`, `7.5 points`; `unknown` if it is missing.

    With `is_mean` whole numbers keep a decimal: `1.0 reviews`. `unit=False` leaves the unit out.
    """
    if value is None or value != value:
        return UNKNOWN
    if name == "avg_spend":
        return money(value, currency)
    decimals = 0 if name == "total_reviews" and not is_mean and float(value).is_integer() else 1
    number = f"{value:,.{decimals}f}"
    text = FEATURE_LABELS[name].unit
    if not unit:
        return number
    if text == "%":
        return f"{number}%"
    return f"{number}{NO_BREAK_SPACE}{'review' if text == 'reviews' and number == '1' else text}"


def feature_heading(name: str, currency: str | None) -> str:
    """The column heading of a feature: its label and unit."""
    label, unit = FEATURE_LABELS[name].label, FEATURE_LABELS[name].unit
    return label if unit == "reviews" else f"{label} ({money_unit(currency) if name == 'avg_spend' else unit})"


def feature_axis_title(name: str, currency: str | None) -> str:
    """The axis title of a feature: its noun and unit."""
    feature = FEATURE_LABELS[name]
    if name == "total_reviews":
        return feature.axis_unit
    return f"{feature.noun} ({money_unit(currency) if name == 'avg_spend' else feature.axis_unit})"
