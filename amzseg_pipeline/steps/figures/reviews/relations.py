"""Relations between prices, discounts, ratings and numbers of ratings of reviews."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from amzseg_pipeline.presentation.formatting import joined, money_unit, percent, signed, strength
from amzseg_pipeline.steps.figures.correlations import Pair, ranked_pairs
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import density, heatmap, trend_line
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.reviews.distributions import star_edges
from amzseg_pipeline.steps.figures.reviews.trends import RatingTrend, rating_trend, steady_direction
from amzseg_pipeline.steps.figures.style import MUTED, canvas, count_axis, money_axis, percent_axis
from amzseg_pipeline.steps.figures.weighted import Values, quarter_means, rank_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_MIN_REVIEWS = 10
_MIN_COLUMNS = 3
_RELEVANT_SHARE = 0.1
_CLOSE = 0.5
_NAMES = {
    "paid": "price paid",
    "list_price": "list price",
    "discount": "discount",
    "stars": "rating",
    "ratings": "number of ratings",
}
_PRICES = {"price paid", "list price"}


def price_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Price against rating."""
    advice = {
        1: "more expensive products are rated better, so recommend the next higher price",
        0: "the price says little about the rating, so choose products to promote by their rating",
        -1: "expensive products are rated worse, so check their quality before you promote them",
    }
    label, ticks = f"price ({money_unit(data.currency)})", partial(money_axis, currency=data.currency)
    return _against_rating(data, "paid", "price", advice, label=label, ticks=ticks)


def rating_count_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Number of ratings against rating."""
    advice = {
        1: "products with many ratings are the safer choice for new customers",
        0: "the number of ratings says little about the rating, so choose products to promote by their rating",
        -1: "products with many ratings are rated worse, so do not promote them for their popularity alone",
    }
    label = "ratings of the product"
    return _against_rating(data, "ratings", "number of ratings", advice, label=label, ticks=count_axis)


def discount_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Discount against rating."""
    advice = {
        1: "deep discounts go with better ratings, so deals suit loyal customers too",
        0: "the discount says little about the rating, so choose products to promote by their rating",
        -1: "deep discounts go with lower ratings, so check the quality of a product before you discount it",
    }
    label = "discount (% of list price)"
    return _against_rating(data, "discount", "discount", advice, label=label, ticks=percent_axis)


def _against_rating(
    data: ReviewData,
    column: str,
    noun: str,
    advice: Mapping[int, str],
    *,
    label: str,
    ticks: "Callable[[Axis], None]",
) -> Plot | NotApplicable:
    """A column against the rating, on a logarithmic axis unless it is the discount.

    Args:
        data: The reviews.
        column: A column of `data.values`.
        noun: What title and caption call it.
        advice: What follows from the direction of the trend.
        label: Label of its axis.
        ticks: Formats the ticks of its axis.
    """
    is_log = column != "discount"
    pairs = data.known(column, "stars", positive=(column,) if is_log else ())
    if reason := _not_applicable(pairs):
        return reason
    trend = rating_trend(data, column)
    title = _title(noun, trend)
    figure, axes = canvas(title, note=data.note(pairs))
    x, stars, reviews = (pairs.iloc[:, i].to_numpy(dtype=np.float64) for i in range(3))
    density(axes, x, stars, counts=reviews, log=(is_log, False), bins=(40, star_edges(stars)))
    trend_line(axes, x, stars, counts=reviews)
    axes.set(xlabel=label, ylabel=data.rating_label)
    ticks(axes.xaxis)
    return Plot(title, f"{data.scope}{_quarters(noun, trend)}: {advice[trend.direction]}.", figure)


def list_price_and_price_paid(data: ReviewData) -> Plot | NotApplicable:
    """Price against list price."""
    pairs = data.known("list_price", "paid", positive=("list_price", "paid"))
    if reason := _not_applicable(pairs):
        return reason
    listed, paid, reviews = (pairs[name].to_numpy(dtype=np.float64) for name in ("list_price", "paid", "reviews"))
    discounts = quarter_means(listed, 1 - paid / listed, reviews)
    direction = steady_direction(discounts, effect=discounts[-1] - discounts[0], minimum=_RELEVANT_SHARE)
    level = "expensive" if direction > 0 else "cheap"
    title = (
        f"{level.capitalize()} products have deeper discounts"
        if direction
        else "Discounts show no clear trend with the list price"
    )
    figure, axes = canvas(title, note=data.note(pairs))
    density(axes, listed, paid, counts=reviews, log=(True, True), bins=(44, 32))
    _draw_discount_lines(axes, listed)
    unit = money_unit(data.currency)
    axes.set(xlabel=f"list price ({unit})", ylabel=f"price ({unit})")
    money_axis(axes.xaxis, data.currency)
    money_axis(axes.yaxis, data.currency)
    advice = (
        f"{level} products have the offers that deal seekers look for"
        if direction
        else "choose the price level of offers by segment"
    )
    caption = (
        f"From the quarter of reviews with the lowest list prices to the one with the highest, prices are "
        f"{joined([percent(discount) for discount in discounts])} below the list price on average: {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def review_correlations(data: ReviewData) -> Plot | NotApplicable:
    """Rank correlations of all numeric values of reviews."""
    names = {column: name for column, name in _NAMES.items() if data.values[column].nunique() > 1}
    if len(names) < _MIN_COLUMNS:
        return NotApplicable(f"fewer than three of {', '.join(_NAMES.values())} differ between reviews")
    table = _correlation_table(data, names)
    # That the two prices are related is no finding.
    pairs = [pair for pair in ranked_pairs(table) if {pair.first, pair.second} != _PRICES]
    closest, weakest = pairs[0], pairs[-1]
    prefix = "Apart from the two prices, " if set(names.values()) >= _PRICES else ""
    title = prefix + _related(closest)
    title = title[0].upper() + title[1:]
    figure, axes = canvas(title, note=f"Spearman's rank correlation; {data.note(data.values)}")
    heatmap(axes, table, limit=1, decimals=2, label="rank correlation", half=True)
    advice = (
        "campaigns selected by one of the two reach mostly the same buyers as by the other"
        if abs(closest.correlation) >= _CLOSE
        else "no two of these values say the same, so segments need all of them"
    )
    caption = (
        f"{closest.first.capitalize()} and {closest.second} are {strength(closest.correlation)} related "
        f"({signed(closest.correlation, decimals=2)}), {weakest.first} and {weakest.second} least "
        f"({signed(weakest.correlation, decimals=2)}): {advice}."
    )
    return Plot(title, data.scope + caption, figure)


def _not_applicable(pairs: pd.DataFrame) -> NotApplicable | None:
    columns = [column for column in pairs.columns if column != "reviews"]
    names = [_NAMES[column] for column in columns]
    if pairs["reviews"].sum() < _MIN_REVIEWS:
        return NotApplicable(f"fewer than {_MIN_REVIEWS} reviews have both {' and '.join(names)}")
    constant = [name for column, name in zip(columns, names, strict=True) if pairs[column].nunique() < 2]
    return NotApplicable(f"all reviews have the same {constant[0]}") if constant else None


def _title(subject: str, trend: RatingTrend) -> str:
    if not trend.direction:
        correlation = signed(trend.correlation, decimals=2)
        return f"Ratings show no clear trend with the {subject} (rank correlation {correlation})"
    low, high = trend.quarter_stars[0], trend.quarter_stars[-1]
    return f"Ratings {'rise' if trend.direction > 0 else 'fall'} with the {subject}: {low:.2f} to {high:.2f} stars"


def _quarters(subject: str, trend: RatingTrend) -> str:
    means = joined([f"{stars:.2f}" for stars in trend.quarter_stars])
    return (
        f"From the quarter of reviews with the lowest {subject} to the one with the highest, the mean rating is "
        f"{means} stars (rank correlation {signed(trend.correlation, decimals=2)})"
    )


def _related(pair: Pair) -> str:
    return f"{pair.first} and {pair.second} are most closely related ({signed(pair.correlation, decimals=2)})"


def _correlation_table(data: ReviewData, names: dict[str, str]) -> pd.DataFrame:
    """Rank correlations over the reviews that have both values; 0 where one of them is constant."""
    table = pd.DataFrame(np.eye(len(names)), index=list(names.values()), columns=list(names.values()))
    columns = list(names)
    for i, first in enumerate(columns):
        for second in columns[:i]:
            pairs = data.known(first, second)
            is_constant = pairs[first].nunique() < 2 or pairs[second].nunique() < 2
            values = (pairs[name].to_numpy(dtype=np.float64) for name in (first, second, "reviews"))
            table.loc[names[first], names[second]] = table.loc[names[second], names[first]] = (
                0.0 if is_constant else rank_correlation(*values)
            )
    return table


def _draw_discount_lines(axes: "Axes", listed: Values) -> None:
    """Lines of equal discount with labels at their left end."""
    low, high = listed.min() / 2, listed.max()
    for off in (0, 50, 90):
        ends = np.array([low, high]) * (1 - off / 100)
        axes.plot([low, high], ends, color=MUTED, linewidth=1, linestyle="--")
        axes.annotate(
            f"{off}% off", (low, ends[0]), xytext=(-4, 0), textcoords="offset points", ha="right", va="center",
            color=MUTED,
        )  # fmt: skip
    axes.set_xlim(left=low / (high / low) ** 0.16)
