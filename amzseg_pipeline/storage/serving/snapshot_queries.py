"""SQL queries of the users of a published snapshot: one user, counts, histograms, a bounded sample.

DuckDB reads only the columns and row groups that a query needs, never all users.

Over 250 lines: every SQL query on a snapshot, in one class with one connection.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal
from weakref import finalize

import duckdb
import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import LOOKALIKE_MARGIN, SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.storage.fs.object_store import DuckDBReads, parquet_file, store_of
from amzseg_pipeline.storage.snapshots import Snapshot

Order = Literal["typical", "low_confidence", "extreme"]
_ORDERS: dict[Order, str] = {
    "typical": "distance, user_id",
    "low_confidence": "margin, user_id",
    "extreme": "distance DESC, user_id",
}

Audience = Literal["members", "joined", "lookalikes"]
_CAMPAIGN = """
    CASE $audience
        WHEN 'members' THEN segment_id = $segment_id
        WHEN 'joined' THEN segment_id = $segment_id AND segment_since >= CAST($since AS DATE)
        ELSE segment_id <> $segment_id AND second_segment_id = $segment_id AND margin < $lookalike_margin
    END
    AND ($audience = 'lookalikes' OR coalesce(margin, 1) >= $min_margin)
    AND (NOT $several_reviews OR NOT is_low_evidence) AND (NOT $no_outliers OR NOT is_outlier)
"""

_MEMORY_MIB = 1024
_LOG_BINS = 32
_MAX_INTEGER_BINS = 24
_TYPICAL_QUANTILES = (0.005, 0.995)


@dataclass(frozen=True)
class Campaign:
    """Which users a campaign list of a segment has.

    Attributes:
        audience: `members` of the segment; members who `joined`, from another segment or as new users, since `since`;
            or `lookalikes`, users of other segments whose second-best segment it is, with a margin below
            LOOKALIKE_MARGIN.
        min_margin: the lowest margin of members.
        several_reviews: without users of a single review.
        no_outliers: without users unlike those the model was trained on.
    """

    audience: Audience = "members"
    since: date = date.min
    min_margin: float = 0.0
    several_reviews: bool = False
    no_outliers: bool = False


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
    """Queries of `segment_assignments.parquet` of one snapshot, safe to use from several threads.

    Every method raises SnapshotError if the file is missing or unreadable. The connection is closed with the object,
    at the latest when the process ends; DuckDB reports an open connection as a leak.
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

    def schema(self) -> pa.Schema:
        """The Arrow schema of the table, with the metadata of its contract."""
        try:
            with parquet_file(self._path) as file:
                return file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self._path, error) from error

    def user(self, user_id: str) -> dict[Any, Any] | None:
        """The row of one user by column, missing values as None; None if there is no such user."""
        frame = self._frame("SELECT * FROM {users} WHERE user_id = $user_id", user_id=user_id)
        if frame.empty:
            return None
        return {name: None if pd.isna(value) else value for name, value in frame.iloc[0].items()}

    def ids_starting_with(self, text: str, *, limit: int) -> pd.DataFrame:
        """The first `limit` users whose id starts with `text`, sorted by id: user_id and segment_id."""
        return self._frame(
            "SELECT user_id, segment_id FROM {users} "
            "WHERE user_id >= $text AND user_id < $after ORDER BY user_id LIMIT $limit",
            text=text,
            after=text + chr(0x10FFFF),
            limit=limit,
        )

    def examples(self) -> pd.DataFrame:
        """The user nearest to the centre of each segment: user_id and segment_id, sorted by segment_id."""
        return self._frame(
            "SELECT min_by(user_id, (distance, user_id)) AS user_id, segment_id "
            "FROM {users} GROUP BY segment_id ORDER BY segment_id"
        )

    def means(self) -> dict[str, float | None]:
        """The mean of each feature over all users who have it."""
        return self._aggregates("avg")

    def medians(self) -> dict[str, float | None]:
        """The median of each feature over all users who have it."""
        return self._aggregates("median")

    def totals(self, *, low_margin: float) -> pd.DataFrame:
        """Per segment_id: `users`, `spend`, `low_confidence`, `outliers`, `low_evidence` and, per feature, `known_*`.

        `spend` is the sum of all known prices paid; `low_confidence` counts users with a margin below `low_margin`;
        `known_<feature>` counts users who have the feature.
        """
        known = ", ".join(f"count({name}) AS known_{name}" for name in FEATURES)
        return self._frame(
            "SELECT segment_id, count(*) AS users, "
            "coalesce(sum(avg_spend * coalesce(priced_reviews, total_reviews)), 0) AS spend, "
            "count(*) FILTER (margin < $low_margin) AS low_confidence, count(*) FILTER (is_outlier) AS outliers, "
            f"count(*) FILTER (is_low_evidence) AS low_evidence, {known} "
            "FROM {users} GROUP BY segment_id ORDER BY segment_id",
            low_margin=low_margin,
        )

    def rfm_outcomes(self, earlier: Snapshot) -> pd.DataFrame:
        """Per rfm_group of `earlier`, of the users who are in both snapshots: what they did in between.

        Columns: rfm_group, users, share_active (share with a later review), reviews and spend (means per user; spend
        is null without prices). The most active group is first.
        """
        path = earlier.table_path(SEGMENT_ASSIGNMENTS.name)
        (name,) = DuckDBReads(self._connection, store_of(path)).names([path])
        return self._frame(
            "SELECT before.rfm_group, count(*) AS users, "
            "avg(CAST(later.as_of - CAST(later.recency_days AS INT) > before.as_of AS INT)) AS share_active, "
            "avg(later.total_reviews - before.total_reviews) AS reviews, "
            "avg(later.total_spend - before.total_spend) AS spend "
            "FROM read_parquet($earlier) AS before JOIN {users} AS later USING (user_id) "
            "WHERE before.rfm_group IS NOT NULL GROUP BY 1 ORDER BY share_active DESC, 1",
            earlier=name,
        )

    def bins(self, feature: str) -> Bins:
        """Intervals that show the middle 99% of a feature: whole numbers, stars, percent, or a logarithmic scale."""
        low, high = self._typical_range(feature)
        if feature == "total_reviews":
            step = max(1, math.ceil((high - 1) / _MAX_INTEGER_BINS))
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
        """Users of each segment in each interval: segment_id, bin from 0, users. Empty intervals are left out."""
        self._check_feature(feature)
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
        """A reproducible sample of at most `users` users: segment_id and the features."""
        columns = ", ".join(("segment_id", *FEATURES))
        return self._frame(f"SELECT {columns} FROM {{users}} ORDER BY md5(user_id) LIMIT $users", users=users)

    def of_segment(self, segment_id: str, *, order: Order, limit: int) -> pd.DataFrame:
        """The first `limit` users of a segment: nearest to its centre, nearest to another segment, or farthest out."""
        return self._frame(
            f"SELECT * FROM {{users}} WHERE segment_id = $segment_id ORDER BY {_ORDERS[order]} LIMIT $limit",
            segment_id=segment_id,
            limit=limit,
        )

    def users_after(self, segment_id: str, *, after: str | None, limit: int) -> pa.Table:
        """The first `limit` users of a segment with an id above `after`, sorted by id, with every column."""
        return self._table(
            "SELECT * FROM {users} WHERE segment_id = $segment_id AND user_id > $after ORDER BY user_id LIMIT $limit",
            segment_id=segment_id,
            after=after or "",
            limit=limit,
        )

    def rows_of_user(self, user_id: str) -> pa.Table:
        """The row of one user, or no row."""
        return self._table("SELECT * FROM {users} WHERE user_id = $user_id", user_id=user_id)

    def campaign_size(self, segment_id: str, campaign: Campaign) -> int:
        """Users in a campaign list."""
        query = f"SELECT count(*) AS users FROM {{users}} WHERE {_CAMPAIGN}"
        return int(self._frame(query, **_campaign_parameters(segment_id, campaign))["users"][0])

    def campaign_users(self, segment_id: str, campaign: Campaign, *, limit: int) -> pd.DataFrame:
        """The first `limit` users of a campaign list, sorted by id; lookalikes with the smallest margin first."""
        order = "CASE $audience WHEN 'lookalikes' THEN margin END, user_id"
        query = f"SELECT * FROM {{users}} WHERE {_CAMPAIGN} ORDER BY {order} LIMIT $limit"
        return self._frame(query, **_campaign_parameters(segment_id, campaign), limit=limit)

    def campaign_batches(self, segment_id: str, campaign: Campaign, *, rows: int) -> Iterator[pa.RecordBatch]:
        """The users of a campaign list in batches, in the order of the file, which is sorted by id."""
        query = f"SELECT * FROM {{users}} WHERE {_CAMPAIGN}"
        with self._connection.cursor() as cursor:
            try:
                parameters = {"path": self._name, **_campaign_parameters(segment_id, campaign)}
                result: Any = cursor.sql(query.format(users="read_parquet($path)"), params=parameters)
                yield from result.to_arrow_reader(rows)
            except (duckdb.Error, pa.ArrowException) as error:
                raise _unreadable(self._path, error) from error

    def _aggregates(self, aggregate: str) -> dict[str, float | None]:
        columns = ", ".join(f"{aggregate}({name}) AS {name}" for name in FEATURES)
        row = self._frame(f"SELECT {columns} FROM {{users}}").iloc[0]
        return {name: None if pd.isna(row[name]) else float(row[name]) for name in FEATURES}

    def _typical_range(self, feature: str) -> tuple[float, float]:
        self._check_feature(feature)
        low, high = _TYPICAL_QUANTILES
        row = self._frame(
            f"SELECT quantile_cont({feature}, {low}) AS low, quantile_cont({feature}, {high}) AS high FROM {{users}}"
        ).iloc[0]
        return (1.0, 1.0) if pd.isna(row["low"]) else (float(row["low"]), float(row["high"]))

    def _table(self, query: str, **parameters: Any) -> pa.Table:
        try:
            with self._connection.cursor() as cursor:
                sql = query.format(users="read_parquet($path)")
                return cursor.sql(sql, params={"path": self._name, **parameters}).to_arrow_table()
        except duckdb.Error as error:
            raise _unreadable(self._path, error) from error

    def _frame(self, query: str, **parameters: Any) -> pd.DataFrame:
        try:
            with self._connection.cursor() as cursor:
                sql = query.format(users="read_parquet($path)")
                return cursor.execute(sql, {"path": self._name, **parameters}).df()
        except duckdb.Error as error:
            raise _unreadable(self._path, error) from error

    @staticmethod
    def _check_feature(feature: str) -> None:
        if feature not in FEATURES:
            raise ValueError(f"{feature!r} is not a feature; the features are {', '.join(FEATURES)}.")


def _campaign_parameters(segment_id: str, campaign: Campaign) -> dict[str, Any]:
    return {
        "segment_id": segment_id,
        "lookalike_margin": LOOKALIKE_MARGIN,
        **asdict(campaign),
        "since": campaign.since.isoformat(),
    }


def _unreadable(path: Path, error: Exception) -> SnapshotError:
    return SnapshotError(
        f"{path}: it could not be read ({str(error).splitlines()[0]}); check the file and the disk, "
        "or run the pipeline again."
    )
