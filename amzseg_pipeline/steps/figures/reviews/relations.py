"""Relations between prices, discounts, ratings and numbers of ratings of reviews."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from amzseg_pipeline.presentation.formatting import money_unit, percent, signed, strength
from amzseg_pipeline.steps.figures.correlations import correlation_table, rank_correlation, ranked_pairs
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import Values, density, heatmap, trend
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.reviews.distributions import star_edges
from amzseg_pipeline.steps.figures.style import MUTED, canvas, count_axis, money_axis, percent_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MIN_REVIEWS = 10
_RELEVANT_STARS = 0.1
_RELEVANT_SHARE = 0.1
_NAMES = {
    "paid": "price paid",
    "list_price": "list price",
    "discount": "discount",
    "stars": "rating",
    "ratings": "number of ratings",
}


def price_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Price against rating."""
    pairs = data.known("paid", "stars").query("paid > 0")
    if absent := _unrelated(pairs):
        return absent
    cheap, expensive = _ends(pairs["paid"], pairs["stars"])
    correlation = rank_correlation(pairs)
    title = _finding("Price and rating", correlation)
    figure, axes = canvas(title, note=data.note(pairs))
    _against_stars(axes, pairs, log=True)
    axes.set_xlabel(f"price paid ({money_unit(data.currency)})")
    money_axis(axes.xaxis, data.currency)
    advice = (
        "the price says little about the rating, so choose products to promote by their rating"
        if abs(expensive - cheap) < _RELEVANT_STARS
        else "more expensive products are rated better, so recommend the next higher price"
        if expensive > cheap
        else "expensive products are rated worse, so check their quality before you promote them"
    )
    sentence = (
        f"The mean rating is {cheap:.2f} in the cheapest quarter of reviews and {expensive:.2f} in the most expensive "
        f"(rank correlation {signed(correlation, decimals=2)}): {advice}."
    )
    return Plot(title, sentence, figure)


def rating_count_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Number of ratings against rating."""
    pairs = data.known("ratings", "stars").query("ratings > 0")
    if absent := _unrelated(pairs):
        return absent
    few, many = _ends(pairs["ratings"], pairs["stars"])
    correlation = rank_correlation(pairs)
    title = _finding("Number of ratings and rating", correlation)
    figure, axes = canvas(title, note=data.note(pairs))
    _against_stars(axes, pairs, log=True)
    axes.set_xlabel("ratings the product has")
    count_axis(axes.xaxis)
    advice = (
        "much-rated products are the safer ones to put before new customers"
        if many - few >= _RELEVANT_STARS
        else "being rated often says nothing for quality, so choose products to promote by their rating"
    )
    sentence = (
        f"The mean rating is {few:.2f} in the quarter of reviews whose products have the fewest ratings and {many:.2f} "
        f"in the quarter with the most (rank correlation {signed(correlation, decimals=2)}): {advice}."
    )
    return Plot(title, sentence, figure)


def discount_and_rating(data: ReviewData) -> Plot | NotApplicable:
    """Discount against rating."""
    pairs = data.known("discount", "stars")
    if absent := _unrelated(pairs):
        return absent
    small, deep = _ends(pairs["discount"], pairs["stars"])
    correlation = rank_correlation(pairs)
    title = _finding("Discount and rating", correlation)
    figure, axes = canvas(title, note=data.note(pairs))
    _against_stars(axes, pairs, log=False)
    axes.set_xlabel("discount (% of list price)")
    percent_axis(axes.xaxis)
    advice = (
        "deep discounts come with lower ratings, so check quality before a product is pushed by price"
        if small - deep >= _RELEVANT_STARS
        else "discounts do not come with lower ratings, so deals need not be kept from loyal customers"
    )
    sentence = (
        f"The mean rating is {small:.2f} in the quarter of reviews with the smallest discounts and {deep:.2f} in the "
        f"quarter with the deepest (rank correlation {signed(correlation, decimals=2)}): {advice}."
    )
    return Plot(title, sentence, figure)


def list_price_and_price_paid(data: ReviewData) -> Plot | NotApplicable:
    """Price paid against list price."""
    pairs = data.known("list_price", "paid").query("list_price > 0 and paid > 0")
    if absent := _unrelated(pairs):
        return absent
    cheap, expensive = _ends(pairs["list_price"], 1 - pairs["paid"] / pairs["list_price"])
    differs = abs(cheap - expensive) >= _RELEVANT_SHARE
    where = "cheap" if cheap > expensive else "expensive"
    title = (
        f"{where.capitalize()} products are discounted more deeply"
        if differs
        else "Discounts are much the same at every level of price"
    )
    figure, axes = canvas(title, note=data.note(pairs))
    listed, paid = pairs["list_price"].to_numpy(), pairs["paid"].to_numpy()
    density(axes, listed, paid, log=(True, True), bins=(44, 32))
    _discount_lines(axes, listed)
    unit = money_unit(data.currency)
    axes.set(xlabel=f"list price ({unit})", ylabel=f"price paid ({unit})")
    money_axis(axes.xaxis, data.currency)
    money_axis(axes.yaxis, data.currency)
    advice = (
        f"deal seekers find most among {where} products, so aim price offers there"
        if differs
        else "no level of price is the natural place for offers, so choose it by segment"
    )
    sentence = (
        f"Buyers pay {percent(cheap)} less than the list price in the cheapest quarter of reviews and "
        f"{percent(expensive)} less in the most expensive: {advice}."
    )
    return Plot(title, sentence, figure)


def review_correlations(data: ReviewData) -> Plot | NotApplicable:
    """Rank correlations of all numeric values of reviews."""
    table = correlation_table(data.sample, _NAMES)
    if table is None:
        return NotApplicable(f"fewer than three of {', '.join(_NAMES.values())} differ between reviews")
    pairs = ranked_pairs(table)
    # That the two prices go together is no finding.
    candidates = [pair for pair in pairs if (pair.first, pair.second) != ("price paid", "list price")]
    closest, farthest = candidates[0], candidates[-1]
    found = f"{closest.first} and {closest.second} go together most ({signed(closest.correlation, decimals=2)})"
    title = f"Apart from the two prices, {found}" if len(candidates) < len(pairs) else found[0].upper() + found[1:]
    figure, axes = canvas(title, note=f"Spearman's rank correlation; {data.note(data.sample)}")
    heatmap(axes, table, limit=1, decimals=2, label="rank correlation", half=True)
    advice = (
        "a campaign by one of the two reaches much the same buyers as by the other"
        if abs(closest.correlation) >= 0.5
        else "no other two say the same, so segments need them all"
    )
    sentence = (
        f"{closest.first.capitalize()} and {closest.second} are {strength(closest.correlation)} related "
        f"({signed(closest.correlation, decimals=2)}), {farthest.first} and {farthest.second} least "
        f"({signed(farthest.correlation, decimals=2)}): {advice}."
    )
    return Plot(title, sentence, figure)


def _unrelated(pairs: pd.DataFrame) -> NotApplicable | None:
    names = [_NAMES[column] for column in pairs.columns]
    if len(pairs) < _MIN_REVIEWS:
        return NotApplicable(f"fewer than {_MIN_REVIEWS} reviews have both {' and '.join(names)}")
    constant = [name for column, name in zip(pairs.columns, names, strict=True) if pairs[column].nunique() < 2]
    return NotApplicable(f"all reviews have the same {constant[0]}") if constant else None


def _ends(by: pd.Series, of: pd.Series) -> tuple[float, float]:
    """The mean of `of` in the lowest and in the highest quarter of `by`."""
    return float(of[by <= by.quantile(0.25)].mean()), float(of[by >= by.quantile(0.75)].mean())


def _finding(subject: str, correlation: float) -> str:
    word = strength(correlation)
    if word == "hardly":
        return f"{subject} are hardly related ({signed(correlation, decimals=2)})"
    way = "rise together" if correlation > 0 else "go opposite ways"
    return f"{subject} {way}, {word} ({signed(correlation, decimals=2)})"


def _against_stars(axes: "Axes", pairs: pd.DataFrame, *, log: bool) -> None:
    x, stars = pairs.iloc[:, 0].to_numpy(), pairs["stars"].to_numpy()
    density(axes, x, stars, log=(log, False), bins=(40, star_edges(stars)))
    trend(axes, x, stars)
    axes.set_ylabel("rating (stars)")


def _discount_lines(axes: "Axes", listed: Values) -> None:
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
