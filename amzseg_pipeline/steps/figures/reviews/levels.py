"""Prices and discounts by rating level."""

from dataclasses import dataclass

import numpy as np

from amzseg_pipeline.presentation.formatting import money, money_unit
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import Values, boxes
from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.style import ACCENT, canvas, money_axis, percent_axis

_MIN_REVIEWS = 30
_HALF_STARS = {"under 3.5": (0, 3.5), "3.5 to 3.9": (3.5, 4), "4 to 4.4": (4, 4.5), "4.5 to 5": (4.5, 6)}
_WHOLE_STARS = {"1": (1, 2), "2": (2, 3), "3": (3, 4), "4": (4, 5), "5": (5, 6)}
_RELEVANT_RATIO = 1.25
_RELEVANT_PERCENT = 5


@dataclass(frozen=True)
class _Levels:
    """Values by rating level, lowest first: `worst` and `best` name the ends, `low` and `high` are their medians."""

    values: dict[str, Values]
    note: str

    @property
    def worst(self) -> str:
        return f"{next(iter(self.values))} stars"

    @property
    def best(self) -> str:
        return f"{list(self.values)[-1]} stars"

    @property
    def low(self) -> float:
        return float(np.median(next(iter(self.values.values()))))

    @property
    def high(self) -> float:
        return float(np.median(list(self.values.values())[-1]))

    @property
    def with_counts(self) -> dict[str, Values]:
        return {f"{name}\n({len(values):,})": values for name, values in self.values.items()}


def price_by_rating_level(data: ReviewData) -> Plot | NotApplicable:
    """Prices paid by rating level."""
    levels = _levels(data, "paid")
    if levels is None:
        return NotApplicable(f"fewer than two levels of rating have {_MIN_REVIEWS} reviews with a price paid")
    low, high = money(levels.low, data.currency), money(levels.high, data.currency)
    ratio = levels.high / levels.low
    way = (
        "rise with"
        if ratio >= _RELEVANT_RATIO
        else "fall with"
        if ratio <= 1 / _RELEVANT_RATIO
        else "hardly change with"
    )
    title = f"Prices {way} the rating: {low if low == high else f'{low} to {high}'} at the median"
    figure, axes = canvas(title, note=f"{levels.note}; box: middle half, whiskers: 5% to 95%")
    boxes(axes, levels.with_counts, colours=[ACCENT] * len(levels.values))
    axes.set(xscale="log", xlabel=f"price paid ({money_unit(data.currency)})", ylabel="rating (stars)")
    money_axis(axes.xaxis, data.currency)
    advice = (
        "a low rating is a matter of the product and not of its price, so mend it before it is made cheaper"
        if way == "hardly change with"
        else "ratings and budgets go together, so look at a segment's spend before its ratings are called taste"
    )
    sentence = f"The median price is {low} at {levels.worst} and {high} at {levels.best}: {advice}."
    return Plot(title, sentence, figure)


def discount_by_rating_level(data: ReviewData) -> Plot | NotApplicable:
    """Discounts by rating level."""
    levels = _levels(data, "discount")
    if levels is None:
        return NotApplicable(f"fewer than two levels of rating have {_MIN_REVIEWS} reviews with a discount")
    step = levels.high - levels.low
    way = (
        "grow with"
        if step >= _RELEVANT_PERCENT
        else "shrink with"
        if step <= -_RELEVANT_PERCENT
        else "hardly change with"
    )
    title = f"Discounts {way} the rating: {levels.low:.0f}% to {levels.high:.0f}% at the median"
    figure, axes = canvas(title, note=f"{levels.note}; box: middle half, whiskers: 5% to 95%")
    boxes(axes, levels.with_counts, colours=[ACCENT] * len(levels.values))
    axes.set(xlabel="discount (% of list price)", ylabel="rating (stars)", xlim=(0, 100))
    percent_axis(axes.xaxis)
    advice = (
        "what is pushed by price pleases least, so do not lead with it to loyal customers"
        if way == "shrink with"
        else "well-rated products are discounted too, so a deal need not look cheap"
    )
    low, high = f"{levels.low:.0f}%", f"{levels.high:.0f}%"
    sentence = f"The median discount is {low} at {levels.worst} and {high} at {levels.best}: {advice}."
    return Plot(title, sentence, figure)


def _levels(data: ReviewData, column: str) -> _Levels | None:
    pairs = data.known(column, "stars")
    if column == "paid":
        pairs = pairs[pairs["paid"] > 0]
    stars = pairs["stars"]
    limits = _WHOLE_STARS if bool((stars == stars.round()).all()) else _HALF_STARS
    found = {
        name: pairs.loc[(stars >= low) & (stars < high), column].to_numpy() for name, (low, high) in limits.items()
    }
    values = {name: group for name, group in found.items() if len(group) >= _MIN_REVIEWS}
    return _Levels(values, data.note(pairs)) if len(values) > 1 else None
