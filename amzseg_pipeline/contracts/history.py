"""Segments across runs: previous segments of users, migrations between segments, and segment history."""

from enum import StrEnum

from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import FEATURES

DRIVERS = 3

DRIVER_COLUMNS = tuple(
    column
    for rank, ordinal in enumerate(("largest", "second-largest", "third-largest"), start=1)
    for column in (
        Column(
            f"driver_{rank}",
            "string",
            f"feature with the {ordinal} influence on own against second segment",
            nullable=True,
        ),
        Column(
            f"driver_{rank}_contribution",
            "float64",
            f"how much driver_{rank} favours the own segment over the second; below 0 it favours the second",
            unit="sd squared",
            nullable=True,
        ),
    )
)
"""The largest contributions. Those of all features add up to second distance^2 - distance^2."""


class Cause(StrEnum):
    """Why a user's segment differs from the previous snapshot."""

    BEHAVIOUR = "behaviour"
    """The previous model also assigns the new features to another segment."""
    DATA = "data"
    """As behaviour, but with the same number of reviews: existing reviews or prices were corrected."""
    MODEL = "model"
    """The new model also assigns the old features to another segment."""
    BOTH = "both"
    """Either change alone moves the user, or only the two together."""
    NEW_USER = "new user"
    """The user is not in the previous snapshot."""
    LEFT = "left"
    """The user is only in the previous snapshot."""
    STAYED = "stayed"
    """The segment is unchanged."""


PREVIOUS_COLUMNS = (
    Column("previous_segment_id", "string", "segment in the previous snapshot; null for a new user", nullable=True),
    Column("previous_segment_name", "string", "its name in the previous snapshot", nullable=True),
    Column(
        "segment_since",
        "date",
        "date of the first run of an unbroken series in which the user has this segment",
        nullable=True,
    ),
    Column(
        "change_cause",
        "string",
        f"why the segment changed: {Cause.BEHAVIOUR}, {Cause.DATA}, {Cause.MODEL}, {Cause.BOTH} or {Cause.NEW_USER}; "
        "null if it did not",
        nullable=True,
    ),
)

NO_SEGMENT = "-"
"""Source segment of a new user, and target segment of a user who left."""

SEGMENT_MIGRATIONS = Table(
    "segment_migrations",
    "Moves of users since the previous snapshot: one row per source, target and cause, including users who stayed.",
    (
        Column("from_segment_id", "string", f"segment in the previous snapshot; {NO_SEGMENT} for new users"),
        Column("from_segment_name", "string", f"its name in the previous snapshot; {NO_SEGMENT} for new users"),
        Column("to_segment_id", "string", f"segment now; {NO_SEGMENT} for users who left"),
        Column("to_segment_name", "string", f"its name; {NO_SEGMENT} for users who left"),
        Column("cause", "string", ", ".join(Cause)),
        Column("users", "int64", "users with this move", unit="users", minimum=1),
        Column("share", "float64", "share of all users with this from_segment_id", minimum=0, maximum=1),
    ),
    key=("from_segment_id", "to_segment_id", "cause"),
)

PSI_COLUMNS = tuple(f"psi_{name}" for name in FEATURES)

DRIFT_COLUMNS = (
    *(
        Column(psi, "float64", f"population stability index of {name} against training", nullable=True, minimum=0)
        for psi, name in zip(PSI_COLUMNS, FEATURES, strict=True)
    ),
    Column("psi_shares", "float64", "population stability index of the segments' shares", nullable=True, minimum=0),
    Column(
        "distance_ratio",
        "float64",
        "mean squared distance relative to the reference of drift",
        nullable=True,
        minimum=0,
    ),
    Column(
        "outlier_ratio", "float64", "share of outliers relative to the reference of drift", nullable=True, minimum=0
    ),
    Column(
        "unseen_share", "float64", "share of users not in the reference of drift", nullable=True, minimum=0, maximum=1
    ),
)
"""Drift of the run, measured on the champion at its start; null in the first run."""

SEGMENT_HISTORY = Table(
    "segment_history",
    "One row per snapshot and segment, carried forward from snapshot to snapshot.",
    (
        Column("sequence", "int64", "number of the snapshot", minimum=1),
        Column("segment_id", "string", "segment"),
        Column("as_of", "date", "as_of of the snapshot"),
        Column("segment_name", "string", "name of the segment"),
        Column("renamed_from", "string", "its name in the previous snapshot, if that was another one", nullable=True),
        Column("users", "int64", "users in the segment", unit="users", minimum=0),
        Column("share", "float64", "share of all users", minimum=0, maximum=1),
        Column("entered", "int64", "users who came from another segment", unit="users", minimum=0),
        Column("new_users", "int64", "users who were not in the previous snapshot", unit="users", minimum=0),
        Column("departed", "int64", "users who moved to another segment or left", unit="users", minimum=0),
        Column("model_version", "string", "version of the model that scored the users"),
        *DRIFT_COLUMNS,
    ),
    key=("sequence", "segment_id"),
)
