"""Relations between ratings and another value of reviews: one rule decides for all plots whether there is a trend."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from amzseg_pipeline.steps.figures.reviews.data import ReviewData
from amzseg_pipeline.steps.figures.weighted import median, quarter_means, rank_correlation

MIN_CORRELATION = 0.1
MIN_STARS = 0.1
MIN_PRICE_RATIO = 1.25
MIN_DISCOUNT_POINTS = 5.0
_MIN_LEVEL_REVIEWS = 30
_HALF_STARS = {"under 3.5": (0, 3.5), "3.5 to 3.9": (3.5, 4), "4 to 4.4": (4, 4.5), "4.5 to 5": (4.5, 6)}
_INTEGER_STARS = {"1": (1, 2), "2": (2, 3), "3": (3, 4), "4": (4, 5), "5": (5, 6)}


@dataclass(frozen=True)
class RatingTrend:
    """The relation between a column and ratings.

    Attributes:
        pairs: distinct pairs of column and stars, with `reviews`.
        correlation: rank correlation.
        quarter_stars: mean rating in each quarter of the column, lowest first.
        levels: per rating level with at least 30 reviews its pairs, lowest first.
        medians: median of the column per level.
        direction: 1 if ratings rise with the column, -1 if they fall, 0 without a clear trend.
    """

    pairs: pd.DataFrame
    correlation: float
    quarter_stars: list[float]
    levels: dict[str, pd.DataFrame]
    medians: dict[str, float]
    direction: int


def rating_trend(data: ReviewData, column: str) -> RatingTrend:
    """The relation between `column` and the ratings of at least two reviews.

    A trend needs a rank correlation of at least 0.1, and in the same direction, without an exception in any group: mean
    ratings over the quarters of the column that differ by at least 0.1 stars, and medians over the rating levels that
    differ by 25% of the price or by 5 points of discount.
    """
    positive = () if column == "discount" else (column,)
    pairs = data.known(column, "stars", positive=positive)
    values, stars, reviews = (pairs[name].to_numpy(dtype=np.float64) for name in (column, "stars", "reviews"))
    correlation = rank_correlation(values, stars, reviews)
    quarter_stars = quarter_means(values, stars, reviews)
    limits = _INTEGER_STARS if bool((stars == np.round(stars)).all()) else _HALF_STARS
    found = {name: pairs[(pairs["stars"] >= low) & (pairs["stars"] < high)] for name, (low, high) in limits.items()}
    levels = {name: level for name, level in found.items() if level["reviews"].sum() >= _MIN_LEVEL_REVIEWS}
    medians = {
        name: median(level[column].to_numpy(), level["reviews"].to_numpy(dtype=np.float64))
        for name, level in levels.items()
    }
    direction = 0 if abs(correlation) < MIN_CORRELATION else int(np.sign(correlation))
    if steady_direction(quarter_stars, effect=quarter_stars[-1] - quarter_stars[0], minimum=MIN_STARS) != direction:
        direction = 0
    if len(medians) > 1 and column in _EFFECTS:
        effect, minimum = _EFFECTS[column]
        ends = list(medians.values())
        if steady_direction(ends, effect=effect(ends[0], ends[-1]), minimum=minimum) != direction:
            direction = 0
    return RatingTrend(pairs, correlation, quarter_stars, levels, medians, direction)


def steady_direction(groups: list[float], *, effect: float, minimum: float) -> int:
    """1 or -1 if `groups` never fall or never rise and `effect` reaches `minimum`, else 0."""
    steps = np.diff(groups)
    if len(steps) == 0 or abs(effect) < minimum:
        return 0
    return 1 if (steps >= 0).all() else -1 if (steps <= 0).all() else 0


def _log_ratio(low: float, high: float) -> float:
    return float(np.log(high / low))


def _difference(low: float, high: float) -> float:
    return high - low


_EFFECTS = {
    "paid": (_log_ratio, float(np.log(MIN_PRICE_RATIO))),
    "discount": (_difference, MIN_DISCOUNT_POINTS),
}
