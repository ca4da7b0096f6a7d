"""What the features of users are called in figures, and the axes they take."""

from typing import TYPE_CHECKING

from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import money, money_unit
from amzseg_pipeline.steps.figures.style import count_axis, money_axis, number_axis, percent_axis

if TYPE_CHECKING:
    from matplotlib.axis import Axis

FEATURE_NAMES = {
    "total_reviews": "number of reviews",
    "avg_rating": "mean rating",
    "avg_discount": "mean discount",
    "avg_spend": "mean price paid",
    "engagement_score": "engagement",
}
assert tuple(FEATURE_NAMES) == FEATURES


def feature_label(feature: str, currency: str | None) -> str:
    """Name and unit, for an axis."""
    if feature == "total_reviews":
        return "reviews per user"
    units = {
        "avg_rating": "stars",
        "avg_discount": "% of list price",
        "avg_spend": money_unit(currency),
        "engagement_score": "reviews x stars",
    }
    return f"{FEATURE_NAMES[feature]} ({units[feature]})"


def feature_value(feature: str, value: float, currency: str | None) -> str:
    """A value with its unit, for a sentence."""
    if feature == "avg_spend":
        return money(value, currency)
    if feature == "avg_discount":
        return f"{value:.0f} %"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def feature_axis(axis: "Axis", feature: str, currency: str | None) -> None:
    """Ticks in the feature's unit."""
    if feature == "avg_spend":
        money_axis(axis, currency)
    elif feature == "avg_discount":
        percent_axis(axis)
    elif feature == "avg_rating":
        number_axis(axis)
    else:
        count_axis(axis)
