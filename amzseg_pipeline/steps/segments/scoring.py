"""Every user's segment by a model, and how sure it is."""

from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.distances import squared_distances
from amzseg_pipeline.steps.segments.frames import contract_frame
from amzseg_pipeline.steps.segments.scaling import scaled_matrix

_CHUNK_USERS = 16_384
"""The distances of this many users stay in the processor's cache; it bounds memory and changes no number."""


def scored_users(users: pd.DataFrame, model: Model, *, as_of: date) -> pd.DataFrame:
    """contracts.SEGMENT_ASSIGNMENTS for `users` (user_id and the five features), row by row.

    A user belongs to the nearest centroid, of equally near ones to the smallest segment_id. Bit for bit the same
    however users are split into calls. Raises ModelError when a value is infinite or out of its contract's range.
    """
    matrix = scaled_matrix(users, model.scaling)
    centroids = np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)
    own = np.zeros(len(users), np.int64)
    second = np.zeros(len(users), np.int64)
    distance = np.zeros(len(users))
    second_distance = np.full(len(users), np.nan)
    for start in range(0, len(users), _CHUNK_USERS):
        chunk = slice(start, start + _CHUNK_USERS)
        squares = squared_distances(matrix[chunk], centroids)
        row = np.arange(len(squares))
        own[chunk] = squares.argmin(axis=1)
        distance[chunk] = np.sqrt(squares[row, own[chunk]])
        if len(centroids) > 1:
            squares[row, own[chunk]] = np.inf
            second[chunk] = squares.argmin(axis=1)
            second_distance[chunk] = np.sqrt(squares[row, second[chunk]])
    gap = second_distance - distance
    margin = np.where(second_distance == 0, 0.0, gap / np.where(second_distance == 0, 1.0, second_distance))
    outlier_distance = np.array([segment.outlier_distance for segment in model.segments])
    ids = pa.array([segment.segment_id for segment in model.segments])
    names = pa.array([segment.name for segment in model.segments])
    return contract_frame(
        SEGMENT_ASSIGNMENTS,
        {
            "user_id": users["user_id"],
            "segment_id": ids.take(pa.array(own)),
            "segment_name": names.take(pa.array(own)),
            **{name: users[name] for name in FEATURES},
            "distance": distance,
            "second_segment_id": ids.take(pa.array(second, mask=np.isnan(second_distance))),
            "margin": margin,
            "is_outlier": distance > outlier_distance[own],
            "is_low_evidence": users["total_reviews"] == 1,
            "model_version": pa.repeat(model.version, len(users)),
            "as_of": pa.repeat(as_of, len(users)),
        },
    )
