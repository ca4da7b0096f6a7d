"""The segments stage: the scaled training sample, segment assignments and segment profiles."""

from dataclasses import replace

from amzseg_pipeline.contracts.history import DRIVER_COLUMNS, PREVIOUS_COLUMNS
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import (
    FEATURE_COLUMNS,
    FEATURES,
    LIFECYCLE_COLUMNS,
    RFM_GROUP,
    SCORING_COLUMNS,
    TOTAL_SPEND,
)

LOOKALIKE_MARGIN = 0.1
"""Users with a smaller margin are close to their second segment."""

SCALED_FEATURES = Table(
    "scaled_features",
    "The training sample: at most `training_users` users, their features transformed and scaled.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        Column("stratum", "string", "total_reviews as 1, 2, 3-5 or 6+; the sample for choosing k is stratified by it"),
        *(
            Column(
                name,
                "float64",
                f"{name}, transformed, scaled and weighted; null when dropped",
                unit="sd",
                nullable=True,
            )
            for name in FEATURES
        ),
    ),
    key=("user_id",),
)

_SEGMENT_ID = Column("segment_id", "string", "segment, S0001 onward; never used again for another segment")
_SEGMENT_NAME = Column("segment_name", "string", "persona of the segment; unique within a snapshot")

SEGMENT_ASSIGNMENTS = Table(
    "segment_assignments",
    "The segment of every user, with the features behind it and how clear it is.",
    (
        Column("user_id", "string", "reviewer"),
        _SEGMENT_ID,
        _SEGMENT_NAME,
        *FEATURE_COLUMNS,
        Column("distance", "float64", "distance to the own segment's centroid", unit="sd", minimum=0),
        Column("second_segment_id", "string", "nearest other segment; null when there is one segment", nullable=True),
        Column(
            "margin",
            "float64",
            "(second distance - distance) / second distance; 0 is a tie",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column("is_outlier", "bool", "farther from the centroid than 99.5% of the segment's training users"),
        Column("is_low_evidence", "bool", "the user has one review"),
        Column("model_version", "string", "version of the model that scored the user"),
        Column("as_of", "date", "the earlier of the newest review's date and the run's date"),
        *LIFECYCLE_COLUMNS,
        RFM_GROUP,
        TOTAL_SPEND,
        *(replace(column, nullable=True) for column in SCORING_COLUMNS),
        *DRIVER_COLUMNS,
        *PREVIOUS_COLUMNS,
    ),
    key=("user_id",),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    "One row per segment: its size, the mean of every feature and its strategy.",
    (
        _SEGMENT_ID,
        _SEGMENT_NAME,
        Column("users", "int64", "users in the segment", unit="users", minimum=0),
        Column("share", "float64", "share of all users", minimum=0, maximum=1),
        *(
            Column(
                column.name,
                "float64",
                f"mean {column.name} of the segment's users",
                unit=column.unit,
                nullable=True,
                minimum=column.minimum,
                maximum=column.maximum,
            )
            for column in FEATURE_COLUMNS
        ),
        replace(TOTAL_SPEND, description="sum of prices paid by the segment's users; null without prices"),
        Column("spend_share", "float64", "share of the total spend of all users", nullable=True, minimum=0, maximum=1),
        Column(
            "lookalikes",
            "int64",
            "users of segments with less spend per user who have this one as second segment, with a margin below "
            f"{LOOKALIKE_MARGIN}",
            unit="users",
            nullable=True,
            minimum=0,
        ),
        Column("strategy", "string", "what to offer the segment"),
        Column(
            "name_fit",
            "float64",
            "share of the segment's distance from the average user that its name explains",
            minimum=0,
            maximum=1,
        ),
        Column(
            "k_confidence",
            "string",
            "high, medium or low, the same for all segments: whether they are separated and would come out again from "
            "other users",
            nullable=True,
        ),
        Column("model_version", "string", "version of the model that made the segment"),
    ),
    key=("segment_id",),
)
