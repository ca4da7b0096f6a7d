"""Cached queries of a snapshot's users: a page runs again at every click."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.segment_texts import LOW_MARGIN
from amzseg_pipeline.steps.segments.features.scaling import Matrix, scaled_matrix
from amzseg_pipeline.steps.segments.model.projection import Projection, projected, projection
from amzseg_pipeline.storage.serving.rfm_outcomes import RfmOutcomes, rfm_outcomes
from amzseg_pipeline.storage.serving.snapshot_queries import Bins

MAP_USERS = 3000
"""Users on the map: enough to see shapes, few enough for a phone."""

_Result = TypeVar("_Result")


def _cached(query: Callable[..., _Result]) -> Callable[..., _Result]:
    """Computes the result once per snapshot and arguments, for all sessions."""
    cache = st.cache_data(max_entries=200, show_spinner=False, hash_funcs={ShownSnapshot: lambda shown: shown.sha256})
    cached: Callable[..., _Result] = cache(query)
    return cached


@dataclass(frozen=True)
class SegmentMap:
    """A sample of users and the segment centres, projected to the two directions in which users differ most."""

    segment_ids: list[str]
    users: Matrix
    centres: Matrix
    projection: Projection


@_cached
def means(shown: ShownSnapshot) -> dict[str, float | None]:
    """The mean of each feature over all users."""
    return shown.users.means()


@_cached
def medians(shown: ShownSnapshot) -> dict[str, float | None]:
    """The median of each feature over all users."""
    return shown.users.medians()


@_cached
def totals(shown: ShownSnapshot) -> pd.DataFrame:
    """Users, spend, uncertain users and users with each feature, by segment_id."""
    return shown.users.totals(low_margin=LOW_MARGIN).set_index("segment_id")


def spend_shares(shown: ShownSnapshot) -> dict[str, float]:
    """The share of each segment in all known prices paid; empty if no price is known."""
    spend = totals(shown)["spend"].astype(float)
    return {} if spend.sum() <= 0 else {str(name): float(share) for name, share in (spend / spend.sum()).items()}


def coverage(shown: ShownSnapshot, segment_id: str | None = None) -> dict[str, float]:
    """The share of users who have each feature, in one segment or among all users."""
    counts = totals(shown) if segment_id is None else totals(shown).loc[[segment_id]]
    users = max(int(counts["users"].sum()), 1)
    return {name: int(counts[f"known_{name}"].sum()) / users for name in FEATURES}


@_cached
def outcomes(shown: ShownSnapshot) -> RfmOutcomes | None:
    """What users of each recency group did afterwards; None without an earlier snapshot that is old enough."""
    return rfm_outcomes(shown.snapshot.path.parent.parent, shown.snapshot, shown.users)


@_cached
def examples(shown: ShownSnapshot) -> pd.DataFrame:
    """The most typical user of each segment."""
    return shown.users.examples()


@_cached
def histograms(shown: ShownSnapshot, feature: str) -> tuple[Bins, pd.DataFrame]:
    """The histogram of a feature in each segment."""
    bins = shown.users.bins(feature)
    return bins, shown.users.histograms(feature, bins)


@_cached
def segment_map(shown: ShownSnapshot) -> SegmentMap:
    """The map of a sample of users."""
    sample = shown.users.sample(users=MAP_USERS)
    matrix = scaled_matrix(sample, shown.model.scaling)
    directions = projection(matrix)
    centroids = np.array([segment.centroid for segment in shown.model.segments]).reshape(-1, matrix.shape[1])
    return SegmentMap(
        segment_ids=list(sample["segment_id"]),
        users=projected(matrix, directions),
        centres=projected(centroids, directions),
        projection=directions,
    )
