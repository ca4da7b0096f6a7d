"""Segments as in a notebook, for every peer: log features, StandardScaler, KMeans with a fixed k."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

K = 4
TRAINING_USERS = 200_000
_FEATURES = ("total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score")
_LOG = ("total_reviews", "avg_spend", "engagement_score")


def write_segments(user_features: Path, path: Path) -> None:
    """Writes user_id, segment and distance of every user, sorted by user_id."""
    from sklearn.cluster import KMeans
    from sklearn.preprocessing import StandardScaler

    users = pq.read_table(user_features, columns=["user_id", "user_hash", *_FEATURES]).sort_by("user_id")
    columns = {name: _filled(users[name].to_numpy().astype(np.float64)) for name in _FEATURES}
    values = np.column_stack([np.log1p(columns[name]) if name in _LOG else columns[name] for name in _FEATURES])
    values = values[:, values.std(axis=0) > 1e-6]
    sample = np.sort(np.argsort(users["user_hash"].to_numpy(), kind="stable")[:TRAINING_USERS])
    scaler = StandardScaler().fit(values[sample])
    model = KMeans(K, n_init=10, random_state=42).fit(scaler.transform(values[sample]))
    distances = model.transform(scaler.transform(values))
    assignments = {"user_id": users["user_id"], "segment": distances.argmin(axis=1), "distance": distances.min(axis=1)}
    pq.write_table(pa.table(assignments), path, compression="zstd")


def _filled(column: np.ndarray) -> np.ndarray:
    """The column with missing values replaced by its mean, or by 0 if all are missing."""
    known = column[~np.isnan(column)]
    return np.where(np.isnan(column), known.mean() if len(known) else 0.0, column)
