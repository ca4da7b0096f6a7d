"""Tables of batch scoring: uploaded users, rejection reasons, scored users."""

from enum import StrEnum

from amzseg_pipeline.contracts.history import DRIVER_COLUMNS
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import FEATURE_COLUMNS

MAX_USER_ID_CHARACTERS = 256
MAX_REVIEWS = 10**9
MAX_SPEND = 10**12

USERS_TO_SCORE = Table(
    "users_to_score",
    "One row per user to score. engagement_score is not needed: it is total_reviews x avg_rating.",
    (
        Column("user_id", "string", "any text that identifies the user"),
        Column("total_reviews", "int64", "reviews written", unit="reviews", minimum=1, maximum=MAX_REVIEWS),
        Column("avg_rating", "float64", "mean rating given", unit="stars", nullable=True, minimum=1, maximum=5),
        Column("avg_discount", "float64", "mean discount", unit="percent", nullable=True, minimum=0, maximum=100),
        Column(
            "avg_spend",
            "float64",
            "mean price paid, without a currency sign",
            unit="currency of the source",
            nullable=True,
            minimum=0,
            maximum=MAX_SPEND,
        ),
    ),
)
"""Unknown nullable values are left empty."""


class RowIssue(StrEnum):
    """Why a row cannot be scored: the first reason that holds, in this order."""

    FIELDS = "the row has more or fewer fields than the header"
    USER = f"user_id is empty, longer than {MAX_USER_ID_CHARACTERS} characters or contains a control character"
    REVIEWS = f"total_reviews is not an integer from 1 to {MAX_REVIEWS:,}"
    RATING = "avg_rating is neither a number from 1 to 5 nor empty"
    DISCOUNT = "avg_discount is neither a percentage from 0 to 100 nor empty"
    SPEND = f"avg_spend is neither an amount from 0 to {MAX_SPEND:,} nor empty"


_ROW_NUMBER = Column("row_number", "int64", "number of the row in the file; 1 is the first after the header", minimum=1)

SCORED_USERS = Table(
    "scored_users",
    "One row per scored row, in file order.",
    (
        _ROW_NUMBER,
        Column("user_id", "string", "as given"),
        Column("segment_id", "string", "segment, S0001 onward"),
        Column("segment_name", "string", "persona of the segment"),
        Column("strategy", "string", "what to offer the segment"),
        Column("second_segment_name", "string", "nearest other segment", nullable=True),
        Column(
            "margin",
            "float64",
            "(second distance - distance) / second distance; 0 is a tie",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        *(column for column in DRIVER_COLUMNS if column.type == "string"),
        *FEATURE_COLUMNS,
        Column("distance", "float64", "distance to the centroid of the segment", unit="sd", minimum=0),
        Column("is_outlier", "bool", "farther from the centroid than 99.5% of the segment's training users"),
        Column("is_low_evidence", "bool", "one review only"),
        Column("model_version", "string", "version of the model that scored the user"),
    ),
    key=("row_number",),
)

REJECTED_USERS = Table(
    "rejected_users",
    "The rows that were not scored, each with one reason and its text; decimal commas are points.",
    (
        _ROW_NUMBER,
        Column("reason", "string", "why the row was rejected (a RowIssue)"),
        *(Column(column.name, "string", f"{column.name} as text", nullable=True) for column in USERS_TO_SCORE.columns),
    ),
    key=("row_number",),
)
