"""Prices and discounts by rating level."""

from collections.abc import Callable

import numpy as np

from amzseg_pipeline.presentation.formatting import joined, money, money_unit
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import Box, boxes
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.reviews.trends import RatingTrend, rating_trend
from amzseg_pipeline.steps.figures.style import ACCENT, canvas, money_axis, percent_axis
from amzseg_pipeline.steps.figures.weighted import quantiles

_MIN_LEVELS = 2
_BOX_NOTE = "box: middle half, whiskers: 5% to 95%"


def price_by_rating_level(data: ReviewData) -> Plot | NotApplicable:
    """Prices by rating level."""
    if (trend := _trend(data, "paid")) is None:
        return NotApplicable("fewer than two levels of rating have 30 reviews with a price paid")
    title, medians = _title_and_medians(trend, "Prices", lambda price: money(price, data.currency))
    figure, axes = canvas(title, note=f"{data.note(trend.pairs)}; {_BOX_NOTE}")
    boxes(axes, _boxes(trend, "paid"), colours=[ACCENT] * len(trend.levels))
    axes.set(xscale="log", xlabel=f"price ({money_unit(data.currency)})", ylabel=data.rating_label)
    money_axis(axes.xaxis, data.currency)
    advice = (
        "ratings and prices are related, so check the spending of a segment before you explain its ratings"
        if trend.direction
        else "choose the price level of an offer independently of ratings"
    )
    return Plot(title, f"{data.scope}The median price is {medians}: {advice}.", figure)


def discount_by_rating_level(data: ReviewData) -> Plot | NotApplicable:
    """Discounts by rating level."""
    if (trend := _trend(data, "discount")) is None:
        return NotApplicable("fewer than two levels of rating have 30 reviews with a discount")
    title, medians = _title_and_medians(trend, "Discounts", lambda discount: f"{discount:.0f}%")
    figure, axes = canvas(title, note=f"{data.note(trend.pairs)}; {_BOX_NOTE}")
    boxes(axes, _boxes(trend, "discount"), colours=[ACCENT] * len(trend.levels))
    axes.set(xlabel="discount (% of list price)", ylabel=data.rating_label, xlim=(0, 100))
    percent_axis(axes.xaxis)
    advice = (
        "deep discounts go with low ratings, so do not lead with them in offers to loyal customers"
        if trend.direction < 0
        else "well-rated products have deep discounts too, so a deal can be a good product"
        if trend.direction > 0
        else "choose the discount of an offer independently of ratings"
    )
    return Plot(title, f"{data.scope}The median discount is {medians}: {advice}.", figure)


def _trend(data: ReviewData, column: str) -> RatingTrend | None:
    pairs = data.known(column, "stars", positive=() if column == "discount" else (column,))
    if pairs[column].nunique() < _MIN_LEVELS or pairs["stars"].nunique() < _MIN_LEVELS:
        return None
    trend = rating_trend(data, column)
    return trend if len(trend.levels) >= _MIN_LEVELS else None


def _title_and_medians(trend: RatingTrend, subject: str, formatted: Callable[[float], str]) -> tuple[str, str]:
    medians = list(trend.medians.values())
    ends = (medians[0], medians[-1]) if trend.direction else (min(medians), max(medians))
    low, high = (formatted(end) for end in ends)
    title = (
        f"{subject} {'rise' if trend.direction > 0 else 'fall'} with the rating: median {low} to {high}"
        if trend.direction
        else f"{subject} show no clear trend with the rating: medians of {low} to {high}"
    )
    return title, joined([f"{formatted(median)} at {name} stars" for name, median in trend.medians.items()])


def _boxes(trend: RatingTrend, column: str) -> dict[str, Box]:
    found: dict[str, Box] = {}
    for name, level in trend.levels.items():
        counts = level["reviews"].to_numpy(dtype=np.float64)
        found[f"{name}\n({int(counts.sum()):,})"] = Box(*quantiles(level[column].to_numpy(), counts, Box.QUANTILES))
    return found
