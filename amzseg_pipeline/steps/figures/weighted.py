"""Statistics of values with counts: a column of distinct values, and how many rows have each of them.

Results equal those of pandas on the expanded rows, so captions describe all reviews without loading each of them.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]

QUARTERS = (0.25, 0.5, 0.75)


def mean(values: Values, counts: Values) -> float:
    """The mean."""
    return float((values * counts).sum() / counts.sum())


def share(is_counted: npt.NDArray[np.bool_], counts: Values) -> float:
    """The share of rows for which `is_counted` holds."""
    return float(counts[is_counted].sum() / counts.sum())


def standard_deviation(values: Values, counts: Values) -> float:
    """The population standard deviation."""
    return float(np.sqrt(mean((values - mean(values, counts)) ** 2, counts)))


def quantiles(values: Values, counts: Values, at: tuple[float, ...]) -> tuple[float, ...]:
    """The quantiles with linear interpolation between rows (Hyndman and Fan 1996, type 7), as in pandas."""
    order = np.argsort(values, kind="stable")
    ordered, ends = values[order], np.cumsum(counts[order])

    def row_value(row: int) -> float:
        return float(ordered[np.searchsorted(ends, row, side="right")])

    found = []
    for quantile in at:
        position = quantile * (ends[-1] - 1)
        low = int(np.floor(position))
        below, above = row_value(low), row_value(int(np.ceil(position)))
        found.append(below + (position - low) * (above - below))
    return tuple(found)


def median(values: Values, counts: Values) -> float:
    """The median."""
    return quantiles(values, counts, (0.5,))[0]


def rank_correlation(x: Values, y: Values, counts: Values) -> float:
    """Spearman's rank correlation with mean ranks for ties (Spearman 1904)."""
    first, second = _ranks(x, counts), _ranks(y, counts)
    first, second = first - mean(first, counts), second - mean(second, counts)
    return float((first * second * counts).sum() / np.sqrt((first**2 * counts).sum() * (second**2 * counts).sum()))


def quarter_means(by: Values, of: Values, counts: Values) -> list[float]:
    """The mean of `of` in each quarter of `by`, lowest first; the outer quarters include their limits.

    A quarter without rows is left out, and so are the middle ones if the outer quarters overlap.
    """
    low, middle, high = quantiles(by, counts, QUARTERS)
    quarters = (by <= low, (by > low) & (by <= middle), (by > middle) & (by < high), by >= high)
    return [mean(of[rows], counts[rows]) for rows in quarters if rows.any()]


def _ranks(values: Values, counts: Values) -> Values:
    """The mean rank of each distinct value among all rows."""
    by_value = pd.Series(counts).groupby(values).transform("sum").to_numpy()
    order = np.argsort(values, kind="stable")
    below = np.empty(len(values))
    below[order] = np.cumsum(counts[order]) - counts[order]
    start = pd.Series(below).groupby(values).transform("min").to_numpy()
    return np.asarray(start + (by_value + 1) / 2, dtype=np.float64)
