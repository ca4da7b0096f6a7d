"""Data of the segments plots: the model, the profiles and a bounded sample of scored users."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.presentation.formatting import counted, sampled
from amzseg_pipeline.steps.segments.features.scaling import REVIEW_COUNTS, scaled_matrix

MAX_USERS = 1_000_000
"""Captions describe all users up to this number, and state the sample beyond it."""


@dataclass(frozen=True)
class SegmentData:
    """`sample` has a row per user: segment_id, the features, and the review counts behind them.

    `profiles` is contracts.SEGMENT_PROFILES of the segments that have users, in the order of their ids.
    """

    model: Model
    profiles: pd.DataFrame
    sample: pd.DataFrame
    currency: str | None

    @property
    def users(self) -> int:
        """The number of users."""
        return int(self.profiles["users"].sum())

    @property
    def scope(self) -> str:
        """A sentence that names the sample; empty if it has all users."""
        return "" if len(self.sample) == self.users else f"Sample of {counted(len(self.sample), 'user')}. "

    @property
    def note(self) -> str:
        """The number of users in a plot of the sample."""
        return sampled(len(self.sample), self.users, "user")

    @property
    def names(self) -> dict[str, str]:
        """Segment id -> name."""
        return dict(zip(self.profiles["segment_id"], self.profiles["segment_name"], strict=True))

    @property
    def colours(self) -> dict[str, str]:
        """Segment id -> colour."""
        return segment_colours(segment.segment_id for segment in self.model.segments)

    @cached_property
    def scaled(self) -> pd.DataFrame:
        """The axes of the clusters: the features of the sample as the model scales them, by their names."""
        names = [feature.name for feature in self.model.scaling.features]
        return pd.DataFrame(scaled_matrix(self.sample, self.model.scaling), columns=names)


def segment_data(
    segment_assignments: nw.LazyFrame[Any],
    user_features: nw.LazyFrame[Any],
    profiles: pd.DataFrame,
    model: Model,
    *,
    currency: str | None,
    max_users: int = MAX_USERS,
) -> SegmentData:
    """The data of the figures: at most `max_users` users, those of smallest hash."""
    chosen = user_features.sort("user_hash", "user_id").head(max_users)
    chosen = chosen.select("user_id", "user_hash", *FEATURES, *REVIEW_COUNTS.values())
    scored = chosen.join(segment_assignments.select("user_id", "segment_id"), on="user_id")
    sample: pd.DataFrame = scored.collect("pyarrow").to_native().to_pandas()
    return SegmentData(
        model=model,
        profiles=profiles[profiles["users"] > 0].sort_values("segment_id", ignore_index=True),
        sample=sample.sort_values(["user_hash", "user_id"], ignore_index=True).astype(dict.fromkeys(FEATURES, float)),
        currency=currency,
    )
