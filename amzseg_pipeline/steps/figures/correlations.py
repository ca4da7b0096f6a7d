"""Rank correlations of columns; prices and counts are too skewed for Pearson correlations."""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd


@dataclass(frozen=True)
class Pair:
    """Two columns and their rank correlation (Spearman 1904)."""

    first: str
    second: str
    correlation: float


def rank_correlation(pairs: pd.DataFrame) -> float:
    """The rank correlation of the two columns of `pairs`."""
    return float(pairs.corr(method="spearman").to_numpy()[0, 1])


def correlation_table(values: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame | None:
    """Rank correlations of the columns in `names` that vary, under their names; None if fewer than three vary."""
    varying = [column for column in names if values[column].nunique() > 1]
    return values[varying].rename(columns=names).corr(method="spearman") if len(varying) > 2 else None


def ranked_pairs(table: pd.DataFrame) -> list[Pair]:
    """The pairs of a correlation table, strongest correlation first."""
    numbers = table.to_numpy()
    names = [str(name) for name in table.columns]
    pairs = [Pair(names[i], names[j], float(numbers[i, j])) for i, j in combinations(range(len(names)), 2)]
    return sorted(pairs, key=lambda pair: -abs(pair.correlation))
