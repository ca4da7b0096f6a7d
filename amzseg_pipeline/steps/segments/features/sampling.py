"""Which users a model is fitted on, and which the number of segments is chosen on."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

_STRATA = (("1", 1), ("2", 2), ("3-5", 5))
"""Strata of total_reviews with the largest number in each; more is 6+."""

_MIN_STRATUM_SHARE = 1 / 20
"""Of a sample, every stratum gets as much if it has so many: 1,000 of 20,000."""


def training_sample(user_features: nw.LazyFrame[Any], *, users: int) -> nw.LazyFrame[Any]:
    """The rows of at most `users` users, those of smallest (user_hash, user_id), sorted by user_id.

    A hash has nothing to do with behaviour, so the sample is as good as random; yet it depends neither on the order
    of rows nor on the engine, and a user stays in it from night to night.
    """
    return user_features.sort("user_hash", "user_id").head(users).sort("user_id")


def strata(total_reviews: "pd.Series[Any]") -> list[str]:
    """The stratum of every user: 1, 2, 3-5 or 6+."""
    names = [*(name for name, _ in _STRATA), "6+"]
    places = np.searchsorted([most for _, most in _STRATA], total_reviews.to_numpy(dtype=np.float64))
    return [names[place] for place in places]


def weighted_sample(scaled: pd.DataFrame, *, users: int) -> pd.DataFrame:
    """At most `users` rows of contracts.SCALED_FEATURES with their `weight`, sorted by user_id.

    Of each stratum those of smallest (user_hash, user_id): at least a twentieth of `users` where there are so many, the
    rest in proportion. A user weighs as many users of the stratum as the sample has left out, and itself, so that the
    weights of a stratum add up to its users.
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
    """How many users to take of each stratum."""
    if sum(sizes.values()) <= users:
        return sizes
    least = max(1, int(users * _MIN_STRATUM_SHARE))
    rare: dict[str, int] = {}
    while True:
        common = {stratum: size for stratum, size in sizes.items() if stratum not in rare}
        left, total = users - sum(rare.values()), sum(common.values())
        short = {stratum: min(size, least) for stratum, size in common.items() if left * size < least * total}
        if not short:
            return dict(sorted({**rare, **{name: left * size // total for name, size in common.items()}}.items()))
        rare |= short
