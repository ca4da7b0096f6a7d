"""The users of a published snapshot, asked for where they lie: one user, counts and histograms, a bounded sample.

No rules about segments, and never all users in memory: DuckDB reads the columns and row groups a question needs.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from weakref import finalize

import duckdb
import pandas as pd

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.storage.fs.object_store import DuckDBReads, store_of
from amzseg_pipeline.storage.snapshots import Snapshot

UNDECIDED_MARGIN = 0.1
"""Users whose margin is below this lie almost as near to another segment."""

Order = Literal["typical", "undecided", "extreme"]
_ORDERS: dict[Order, str] = {
    "typical": "distance, user_id",
    "undecided": "margin, user_id",
    "extreme": "distance DESC, user_id",
}

_MEMORY_MIB = 1024
_LOG_BINS = 32
_MOST_WHOLE_BINS = 24
_TYPICAL = (0.005, 0.995)


@dataclass(frozen=True)
class Bins:
    """Equal intervals of one feature, on a logarithmic scale where `is_log`; values outside fall into the end bins."""

    edges: tuple[float, ...]
    is_log: bool = False

    @property
    def count(self) -> int:
        """The number of intervals."""
        return len(self.edges) - 1


class PublishedUsers:
    """Questions to `segment_assignments.parquet` of one snapshot. Safe to ask from several threads.

    Every method raises SnapshotError when the file is gone or cannot be read any more. The connection is closed with
    the object, and at the end of the process at the latest: left open, DuckDB tells of leaks there.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._path = snapshot.table_path(SEGMENT_ASSIGNMENTS.name)
        self._connection = duckdb.connect(
            config={
                "threads": os.cpu_count() or 1,
                "memory_limit": f"{_MEMORY_MIB}MiB",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        (self._name,) = DuckDBReads(self._connection, store_of(self._path)).names([self._path])
        finalize(self, self._connection.close)

    def user(self, user_id: str) -> dict[Any, Any] | None:
        """The row of one user, by column; a missing value is None. None when there is no such user."""
        frame = self._frame("SELECT * FROM {users} WHERE user_id = $user_id", user_id=user_id)
        if frame.empty:
            return None
        return {name: None if pd.isna(value) else value for name, value in frame.iloc[0].items()}

    def ids_starting_with(self, text: str, *, most: int) -> pd.DataFrame:
        """The first users, in the order of their ids, whose id starts with `text`: user_id and segment_id."""
        return self._frame(
            "SELECT user_id, segment_id FROM {users} "
            "WHERE user_id >= $text AND user_id < $after ORDER BY user_id LIMIT $most",
            text=text,
            after=text + chr(0x10FFFF),
            most=most,
        )

    def examples(self) -> pd.DataFrame:
        """The user nearest to the centre of each segment: user_id and segment_id, in the order of segment_id."""
        return self._frame(
            "SELECT min_by(user_id, (distance, user_id)) AS user_id, segment_id "
            "FROM {users} GROUP BY segment_id ORDER BY segment_id"
        )

    def means(self) -> dict[str, float | None]:
        """The mean of each feature over all users who have it."""
        return self._of_features("avg")

    def medians(self) -> dict[str, float | None]:
        """The median of each feature over all users who have it."""
        return self._of_features("median")

    def doubts(self) -> pd.DataFrame:
        """Per segment_id, how many users are `undecided`, `outliers` and of `low_evidence`."""
        return self._frame(
            "SELECT segment_id, count(*) FILTER (margin < $least) AS undecided, "
            "count(*) FILTER (is_outlier) AS outliers, count(*) FILTER (is_low_evidence) AS low_evidence "
            "FROM {users} GROUP BY segment_id ORDER BY segment_id",
            least=UNDECIDED_MARGIN,
        )

    def bins(self, feature: str) -> Bins:
        """Intervals that show the middle 99 % of a feature: whole numbers, stars, percent, or a logarithmic scale."""
        low, high = self._typical_range(feature)
        if feature == "total_reviews":
            step = max(1, math.ceil((high - 1) / _MOST_WHOLE_BINS))
            last = max(2, math.ceil(high / step))
            return Bins(tuple(0.5 + step * i for i in range(last + 1)))
        if feature == "avg_rating":
            return Bins(tuple(1 + i / 4 for i in range(17)))
        if feature == "avg_discount":
            return Bins(tuple(5.0 * i for i in range(21)))
        low = max(low, 0.01)
        ratio = max(high / low, 1.01)
        return Bins(tuple(low * ratio ** (i / _LOG_BINS) for i in range(_LOG_BINS + 1)), is_log=True)

    def histograms(self, feature: str, bins: Bins) -> pd.DataFrame:
        """How many users of each segment fall into each interval: segment_id, bin from 0, users. Gaps are left out."""
        self._known(feature)
        value, first, last = feature, bins.edges[0], bins.edges[-1]
        if bins.is_log:
            value, first, last = f"ln(greatest({feature}, {bins.edges[0]!r}))", math.log(first), math.log(last)
        width = (last - first) / bins.count
        return self._frame(
            f"SELECT segment_id, CAST(greatest(0, least({bins.count - 1}, floor(({value} - $first) / $width))) AS INT) "
            f"AS bin, count(*) AS users FROM {{users}} WHERE {feature} IS NOT NULL GROUP BY ALL ORDER BY ALL",
            first=first,
            width=width,
        )

    def sample(self, *, users: int) -> pd.DataFrame:
        """At most `users` users, always the same: segment_id and the features."""
        columns = ", ".join(("segment_id", *FEATURES))
        return self._frame(f"SELECT {columns} FROM {{users}} ORDER BY md5(user_id) LIMIT $users", users=users)

    def of_segment(self, segment_id: str, *, order: Order, most: int) -> pd.DataFrame:
        """The first users of a segment: nearest its centre, nearest another segment, or farthest from its centre."""
        return self._frame(
            f"SELECT * FROM {{users}} WHERE segment_id = $segment_id ORDER BY {_ORDERS[order]} LIMIT $most",
            segment_id=segment_id,
            most=most,
        )

    def _of_features(self, aggregate: str) -> dict[str, float | None]:
        columns = ", ".join(f"{aggregate}({name}) AS {name}" for name in FEATURES)
        row = self._frame(f"SELECT {columns} FROM {{users}}").iloc[0]
        return {name: None if pd.isna(row[name]) else float(row[name]) for name in FEATURES}

    def _typical_range(self, feature: str) -> tuple[float, float]:
        self._known(feature)
        low, high = _TYPICAL
        row = self._frame(
            f"SELECT quantile_cont({feature}, {low}) AS low, quantile_cont({feature}, {high}) AS high FROM {{users}}"
        ).iloc[0]
        return (1.0, 1.0) if pd.isna(row["low"]) else (float(row["low"]), float(row["high"]))

    def _frame(self, query: str, **parameters: Any) -> pd.DataFrame:
        try:
            with self._connection.cursor() as cursor:
                question = query.format(users="read_parquet($path)")
                return cursor.execute(question, {"path": self._name, **parameters}).df()
        except duckdb.Error as error:
            raise _unreadable(self._path, error) from error

    @staticmethod
    def _known(feature: str) -> None:
        if feature not in FEATURES:
            raise ValueError(f"{feature!r} is no feature; there are {', '.join(FEATURES)}.")


def _unreadable(path: Path, error: duckdb.Error) -> SnapshotError:
    return SnapshotError(
        f"{path}: it could not be read ({str(error).splitlines()[0]}); check the file and the disk, "
        "or run the pipeline again."
    )
