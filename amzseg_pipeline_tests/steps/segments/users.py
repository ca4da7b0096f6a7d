"""Synthetic users for tests and benchmarks."""

import hashlib
import json
from functools import cache
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, Model, Segment
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import (
    cluster_model,
    feature_scaling,
    fitted_model,
    scaled_features,
    shrinkages,
)
from amzseg_pipeline.steps.segments.features.shrinkage import MOMENT_COLUMNS
from amzseg_pipeline.steps.segments.model.serialization import model_version

TRAINED_AT = "2024-01-01T00:00:00+00:00"


def users_of(rows: list[tuple[float | None, ...]]) -> pd.DataFrame:
    """One user per (total_reviews, avg_rating, avg_discount, avg_spend); engagement, counts and sums follow.

    All reviews of a user have the same values; an unknown mean has no reviews.
    """
    frame = pd.DataFrame(rows, columns=["total_reviews", "avg_rating", "avg_discount", "avg_spend"]).astype(float)
    frame["engagement_score"] = frame["total_reviews"] * frame["avg_rating"]
    frame.insert(0, "user_id", [f"user {i:05d}" for i in range(len(frame))])
    frame.insert(1, "user_hash", [int(hashlib.md5(user.encode()).hexdigest()[:8], 16) for user in frame["user_id"]])
    return with_sums(frame)


def with_sums(users: pd.DataFrame) -> pd.DataFrame:
    """The same users with the counts, sums and sums of squares that follow from their means."""
    sums = {}
    for mean, (count, total, squares, per_unit) in MOMENT_COLUMNS.items():
        known = users[mean].notna()
        value = np.log1p(users[mean]) if mean == "avg_spend" else users[mean]
        integers = (value * per_unit).round().where(known, 0)
        sums[count] = users["total_reviews"].where(known, 0)
        sums[total] = sums[count] * integers
        sums[squares] = sums[total] * integers
    return users.assign(**{name: column.astype("int64") for name, column in sums.items()})


def three_types(users: int, *, seed: int = 7, unknown: float = 0.02) -> pd.DataFrame:
    """Loyal users, bargain hunters and full-price buyers, `unknown` of them without a rating or a price."""
    rng = np.random.default_rng(seed)
    user_type = rng.choice(3, size=users, p=[0.15, 0.45, 0.4])
    total = np.where(user_type == 0, rng.integers(5, 12, users), rng.integers(1, 3, users))
    rating = np.clip(rng.normal([4.4, 3.9, 4.1], 0.3, (users, 3))[np.arange(users), user_type], 1, 5).round(1)
    discount = np.clip(rng.normal([30, 65, 15], 8, (users, 3))[np.arange(users), user_type], 0, 100).round(2)
    spend = rng.lognormal([7.5, 6.0, 7.2], 0.4, (users, 3))[np.arange(users), user_type].round(2)
    rating[rng.random(users) < unknown] = np.nan
    spend[rng.random(users) < unknown] = np.nan
    return users_of(list(zip(total, rating, discount, spend, strict=True)))


QUICK: dict[str, Any] = {"n_init": 3, "prediction_splits": 4, "jaccard_bootstraps": 4}
"""Settings that choose k quickly."""


def model_of(users: pd.DataFrame, **settings: Any) -> Model:
    """A model of `users`, with QUICK settings by default."""
    return fitted_model(users, Settings(**{**QUICK, **settings}), trained_at=TRAINED_AT, jobs=1)


@cache
def untrained_model(k: int = 3) -> Model:
    """A model of `k` segments around fixed centroids, for tests that only pass it on; training takes a second."""
    scaling = feature_scaling(three_types(60), transform="none")
    names = ("Deal Seekers", "Casual Buyers", "Premium Loyalists")[:k]
    segments = tuple(
        Segment(f"S{i + 1:04d}", name, "coupons", 0.9, (i - 1.0,) * len(scaling.features), 20, 3.0)
        for i, name in enumerate(names)
    )
    return Model(
        version=model_version(scaling, segments),
        seed=0,
        scaling=scaling,
        segments=segments,
        choice=KChoice(k, "set", "high", None, None, None, None, None, None, None, ()),
        inertia=100.0,
        trained_at=TRAINED_AT,
        libraries={},
    )


def scaling_of(users: pd.DataFrame, *, transform: str) -> FeatureScaling:
    """The scaling of `users`, with shrinkage for "log"."""
    shrunk = shrinkages(nw.from_native(users).lazy()) if transform == "log" else None
    return feature_scaling(users, transform=transform, shrinkages=shrunk)


def model_in_parts(users: pd.DataFrame, settings: Settings, *, jobs: int) -> Model:
    """The same model through separate steps, as assets call them."""
    scaling = scaling_of(users, transform=settings.transform)
    scaled = scaled_features(users, scaling)
    return cluster_model(scaled, scaling, settings, trained_at=TRAINED_AT, jobs=jobs)


def as_json(document: dict[str, Any]) -> Any:
    """The document after a round trip through JSON."""
    return json.loads(json.dumps(document, allow_nan=False))
