"""Night after night: where users came from, how they moved, and what became of each segment."""

from enum import StrEnum

from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import FEATURES

DRIVERS = 3

DRIVER_COLUMNS = tuple(
    column
    for place, word in enumerate(("most", "second most", "third most"), start=1)
    for column in (
        Column(
            f"driver_{place}", "string", f"feature that decided {word} between own and second segment", nullable=True
        ),
        Column(
            f"driver_{place}_contribution",
            "float64",
            f"how much driver_{place} favours the own segment over the second; below 0 it favours the second",
            unit="sd squared",
            nullable=True,
        ),
    )
)
"""The contributions of all features of the model add up to second distance^2 - distance^2; these are the largest."""


class Cause(StrEnum):
    """Why a user is in another segment than in the snapshot before; where two hold, the move is `BOTH`."""

    BEHAVIOUR = "behaviour"
    """The model before, too, puts the user's new features elsewhere."""
    MODEL = "model"
    """The new model puts the user's old features elsewhere."""
    BOTH = "both"
    """Each would have moved the user, or only the two together."""
    NEW_USER = "new user"
    """The snapshot before did not have the user."""
    LEFT = "left"
    """The user is not there any more."""
    STAYED = "stayed"
    """The segment is the same."""


PREVIOUS_COLUMNS = (
    Column("previous_segment_id", "string", "segment in the snapshot before; null for a new user", nullable=True),
    Column("previous_segment_name", "string", "its name in the snapshot before", nullable=True),
    Column(
        "segment_since", "date", "as_of of the first snapshot, of an unbroken row, with this segment", nullable=True
    ),
    Column(
        "change_cause",
        "string",
        f"why the segment is another one: {Cause.BEHAVIOUR}, {Cause.MODEL}, {Cause.BOTH} or {Cause.NEW_USER}; "
        "null for who stayed",
        nullable=True,
    ),
)

NO_SEGMENT = "-"
"""In place of a segment: before a new user's first, and after the last of a user who left."""

SEGMENT_MIGRATIONS = Table(
    "segment_migrations",
    "How users moved since the snapshot before: one row per pair of segments and cause, the users who stayed included.",
    (
        Column("from_segment_id", "string", f"segment in the snapshot before; {NO_SEGMENT} for new users"),
        Column("from_segment_name", "string", f"its name in the snapshot before; {NO_SEGMENT} for new users"),
        Column("to_segment_id", "string", f"segment now; {NO_SEGMENT} for users who left"),
        Column("to_segment_name", "string", f"its name; {NO_SEGMENT} for users who left"),
        Column("cause", "string", ", ".join(Cause)),
        Column("users", "int64", "users who went this way", unit="users", minimum=1),
        Column("share", "float64", "part of all users with this from_segment_id", minimum=0, maximum=1),
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
    Column("distance_ratio", "float64", "mean squared distance against that at training", nullable=True, minimum=0),
    Column("outlier_ratio", "float64", "share of outliers against that at training", nullable=True, minimum=0),
    Column("unseen_share", "float64", "part of users that training did not know", nullable=True, minimum=0, maximum=1),
)
"""Drift of the whole night, measured on the model that was the champion when it began; null where it had no training
data to compare with."""

SEGMENT_HISTORY = Table(
    "segment_history",
    "One row per published night and segment, carried forward from snapshot to snapshot.",
    (
        Column("sequence", "int64", "number of the snapshot", minimum=1),
        Column("segment_id", "string", "segment"),
        Column("as_of", "date", "as_of of the snapshot"),
        Column("segment_name", "string", "persona of the segment"),
        Column("users", "int64", "users in the segment", unit="users", minimum=0),
        Column("share", "float64", "part of all users", minimum=0, maximum=1),
        Column("entered", "int64", "users who came from another segment", unit="users", minimum=0),
        Column("new_users", "int64", "users who were not in the snapshot before", unit="users", minimum=0),
        Column("departed", "int64", "users who went to another segment or left", unit="users", minimum=0),
        Column("model_version", "string", "version of the model that scored the users"),
        *DRIFT_COLUMNS,
    ),
    key=("sequence", "segment_id"),
)
