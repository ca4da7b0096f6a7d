"""Samples of users: one to fit a model on, and a stratified, weighted one to choose k on."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

_STRATA = (("1", 1), ("2", 2), ("3-5", 5))
"""Strata of total_reviews with their upper bounds; the last stratum is 6+."""

_MIN_STRATUM_SHARE = 1 / 20
"""Minimum share of a stratum in a sample, if it has that many users: 1,000 of 20,000."""


def training_sample(user_features: nw.LazyFrame[Any], *, users: int) -> nw.LazyFrame[Any]:
    """The rows of at most `users` users with the smallest (user_hash, user_id), sorted by user_id.

    The hash is independent of behaviour, so this is a random sample, yet independent of row order and engine, and
    stable from run to run. Of buckets with larger hashes only the statistics are read.
    """
    hashes = user_features.select("user_hash").sort("user_hash").head(users)
    largest = hashes.select(nw.col("user_hash").max()).collect("pyarrow").item()
    candidates = user_features if largest is None else user_features.filter(nw.col("user_hash") <= largest)
    return candidates.sort("user_hash", "user_id").head(users).sort("user_id")


def strata(total_reviews: "pd.Series[Any]") -> list[str]:
    """The stratum of every user: 1, 2, 3-5 or 6+."""
    names = [*(name for name, _ in _STRATA), "6+"]
    indices = np.searchsorted([bound for _, bound in _STRATA], total_reviews.to_numpy(dtype=np.float64))
    return [names[index] for index in indices]


def weighted_sample(scaled: pd.DataFrame, *, users: int) -> pd.DataFrame:
    """At most `users` rows of contracts.SCALED_FEATURES with their `weight`, sorted by user_id.

    Each stratum contributes its users with the smallest (user_hash, user_id): at least a twentieth of `users` if it
    has that many, otherwise in proportion. The weights of a stratum add up to its number of users.
    """
    sizes = scaled["stratum"].value_counts().sort_index()
    quotas = _quotas({str(stratum): int(size) for stratum, size in sizes.items()}, users=users)
    ordered = scaled.sort_values(["user_hash", "user_id"])
    parts = [
        ordered[ordered["stratum"] == stratum].head(quota).assign(weight=float(sizes[stratum]) / quota)
        for stratum, quota in quotas.items()
    ]
    return pd.concat(parts).sort_values("user_id")


def _quotas(sizes: dict[str, int], *, users: int) -> dict[str, int]:
    """The number of users to sample from each stratum."""
    if sum(sizes.values()) <= users:
        return sizes
    minimum = max(1, int(users * _MIN_STRATUM_SHARE))
    rare: dict[str, int] = {}
    while True:
        common = {stratum: size for stratum, size in sizes.items() if stratum not in rare}
        remaining, total = users - sum(rare.values()), sum(common.values())
        short = {name: min(size, minimum) for name, size in common.items() if remaining * size < minimum * total}
        if not short:
            return dict(sorted({**rare, **{name: remaining * size // total for name, size in common.items()}}.items()))
        rare |= short
