"""Which users a model is fitted on."""

from typing import Any

import narwhals as nw


def training_sample(user_features: nw.LazyFrame[Any], *, users: int) -> nw.LazyFrame[Any]:
    """The rows of at most `users` users, those of smallest (user_hash, user_id), sorted by user_id.

    A hash has nothing to do with behaviour, so the sample is as good as random; yet it depends neither on the order
    of rows nor on the engine, and a user stays in it from night to night.
    """
    return user_features.sort("user_hash", "user_id").head(users).sort("user_id")
