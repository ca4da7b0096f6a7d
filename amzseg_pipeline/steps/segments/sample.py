"""Which users a model is fitted on, and which the number of segments is chosen on."""

from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

_STRATA = (("1", 1), ("2", 2), ("3-5", 5))
"""Strata of total_reviews with the largest number in each; more is 6+."""


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
