"""Questions to the users of a snapshot whose answers are kept: a page asks again at every click."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.steps.segments.features.scaling import Matrix, scaled_matrix
from amzseg_pipeline.steps.segments.model.projection import Projection, projected, projection
from amzseg_pipeline.storage.serving.snapshot_queries import Bins

MAP_USERS = 3000
"""Users drawn on the map: enough to see shapes, few enough for a phone."""

_Answer = TypeVar("_Answer")


def _kept(question: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """The answer of each snapshot and arguments is computed once for all sessions."""
    keep = st.cache_data(max_entries=200, show_spinner=False, hash_funcs={Published: lambda each: each.sha256})
    kept: Callable[..., _Answer] = keep(question)
    return kept


@dataclass(frozen=True)
class SegmentMap:
    """A sample of users and the centres of the segments in the two directions in which users differ most."""

    segment_ids: list[str]
    users: Matrix
    centres: Matrix
    directions: Projection


@_kept
def means(published: Published) -> dict[str, float | None]:
    """The mean of each feature over all users."""
    return published.users.means()


@_kept
def medians(published: Published) -> dict[str, float | None]:
    """The median of each feature over all users."""
    return published.users.medians()


@_kept
def doubts(published: Published) -> pd.DataFrame:
    """Undecided users, outliers and users of one review, by segment_id."""
    return published.users.doubts().set_index("segment_id")


@_kept
def examples(published: Published) -> pd.DataFrame:
    """One user of each segment."""
    return published.users.examples()


@_kept
def histograms(published: Published, feature: str) -> tuple[Bins, pd.DataFrame]:
    """How a feature is distributed in each segment."""
    bins = published.users.bins(feature)
    return bins, published.users.histograms(feature, bins)


@_kept
def segment_map(published: Published) -> SegmentMap:
    """The map of a sample of users."""
    sample = published.users.sample(users=MAP_USERS)
    matrix = scaled_matrix(sample, published.model.scaling)
    directions = projection(matrix)
    centroids = np.array([segment.centroid for segment in published.model.segments]).reshape(-1, matrix.shape[1])
    return SegmentMap(
        segment_ids=list(sample["segment_id"]),
        users=projected(matrix, directions),
        centres=projected(centroids, directions),
        directions=directions,
    )
