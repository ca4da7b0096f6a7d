"""Scoring: the segment of every user, how clear it is, and its drivers."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.history import DRIVERS
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import (
    ACTIVE_DAYS,
    CHAMPION_REVIEWS,
    LAPSING_DAYS,
    RFM_GROUP,
    TOTAL_SPEND,
    TYPICAL_PRICE,
    RfmGroup,
)
from amzseg_pipeline.steps.segments.clusters.distances import Nearest, nearest_centroids
from amzseg_pipeline.steps.segments.features.scaling import Matrix, Users, feature_values, scaled_matrix, scaled_values
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame
from amzseg_pipeline.steps.segments.model.drivers import driver_contributions, strongest_drivers


def scored_users(users: pd.DataFrame, model: Model, *, as_of: date) -> pd.DataFrame:
    """contracts.SEGMENT_ASSIGNMENTS of `users` (user_id and the five features), in their order.

    A user belongs to the nearest centroid; ties go to the smallest segment_id. Columns that the model does not compute
    are copied from `users`, or null if missing. The result is bitwise identical for every split of users into calls.
    Raises ModelError if a value is infinite or outside its contract's range.
    """
    computed = {
        **score_columns(users, model),
        "model_version": pa.repeat(model.version, len(users)),
        "as_of": pa.repeat(as_of, len(users)),
    }
    copied = [column.name for column in SEGMENT_ASSIGNMENTS.columns if column.name not in computed]
    unknown = pa.nulls(len(users))
    return contract_frame(SEGMENT_ASSIGNMENTS, {**computed, **{name: users.get(name, unknown) for name in copied}})


def score_columns(users: Users, model: Model) -> dict[str, Any]:
    """The columns of scored_users that the model computes, as arrays; fast for a single user given as arrays."""
    values = feature_values(users)
    matrix = scaled_values(values, model.scaling)
    centroids = _centroids(model)
    nearest = nearest_centroids(matrix, centroids)
    distance, second_distance = np.sqrt(nearest.own_square), np.sqrt(nearest.second_square)
    gap = second_distance - distance
    margin = np.where(second_distance == 0, 0.0, gap / np.where(second_distance == 0, 1.0, second_distance))
    outlier_distance = np.array([segment.outlier_distance for segment in model.segments])
    ids = pa.array([segment.segment_id for segment in model.segments])
    names = pa.array([segment.name for segment in model.segments])
    return {
        "segment_id": ids.take(pa.array(nearest.own)),
        "segment_name": names.take(pa.array(nearest.own)),
        "distance": distance,
        "second_segment_id": ids.take(pa.array(nearest.second, mask=np.isnan(second_distance))),
        "margin": margin,
        "is_outlier": distance > outlier_distance[nearest.own],
        "is_low_evidence": values["total_reviews"] == 1,
        **_drivers(matrix, centroids, nearest, [feature.name for feature in model.scaling.features]),
        TYPICAL_PRICE.name: values[TYPICAL_PRICE.name],
        RFM_GROUP.name: _rfm_groups(users, values["total_reviews"]),
        TOTAL_SPEND.name: _total_spend(users, values["avg_spend"]),
    }


def segments_of(users: pd.DataFrame, model: Model) -> np.ndarray[Any, np.dtype[np.object_]]:
    """The segment_id of every user, as in scored_users."""
    ids = np.array([segment.segment_id for segment in model.segments], dtype=object)
    return ids[nearest_centroids(scaled_matrix(users, model.scaling), _centroids(model)).own]


def _rfm_groups(users: Users, reviews: Matrix) -> pa.Array:
    if not isinstance(users, pd.DataFrame) or "recency_days" not in users:
        return pa.nulls(len(reviews), pa.string())
    days = users["recency_days"].to_numpy(np.float64, na_value=np.nan)
    is_active, is_lapsing = days <= ACTIVE_DAYS, days <= LAPSING_DAYS
    groups = np.select(
        [
            is_active & (reviews >= CHAMPION_REVIEWS),
            is_active & (reviews > 1),
            is_active,
            is_lapsing,
            ~np.isnan(days) & (reviews > 1),
        ],
        [RfmGroup.CHAMPIONS, RfmGroup.LOYAL, RfmGroup.RECENT, RfmGroup.NEEDS_ATTENTION, RfmGroup.AT_RISK],
        RfmGroup.INACTIVE,
    )
    return pa.array(groups.astype(object), pa.string(), mask=np.isnan(days))


def _total_spend(users: Users, avg_spend: Matrix) -> Matrix:
    """In the currency of the source; NaN without prices."""
    if not isinstance(users, pd.DataFrame) or "paid_minor_sum" not in users:
        return np.full(len(avg_spend), np.nan)
    return np.where(~np.isnan(avg_spend), users["paid_minor_sum"].to_numpy(np.float64, na_value=np.nan) / 100, np.nan)


def _centroids(model: Model) -> Matrix:
    return np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)


def _drivers(matrix: Matrix, centroids: Matrix, nearest: Nearest, names: list[str]) -> dict[str, pa.Array]:
    """The driver columns; null if there is one segment or the model has fewer features."""
    users = len(matrix)
    contributions = driver_contributions(matrix, centroids, own=nearest.own, second=nearest.second)
    strongest = (
        strongest_drivers(contributions, count=DRIVERS) if len(centroids) > 1 else np.empty((users, 0), np.int64)
    )
    columns: dict[str, pa.Array] = {}
    for rank in range(DRIVERS):
        driver = f"driver_{rank + 1}"
        if rank < strongest.shape[1]:
            chosen = strongest[:, rank]
            columns[driver] = pa.array(names, pa.string()).take(pa.array(chosen))
            columns[f"{driver}_contribution"] = pa.array(contributions[np.arange(users), chosen])
        else:
            columns[driver] = columns[f"{driver}_contribution"] = pa.nulls(users)
    return columns
