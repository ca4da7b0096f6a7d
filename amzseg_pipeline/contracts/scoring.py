"""Users that somebody brings to be scored: what their file holds, why a row is rejected, and what comes back."""

from enum import StrEnum

from amzseg_pipeline.contracts.history import DRIVER_COLUMNS
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import FEATURE_COLUMNS

MAX_USER_ID_CHARACTERS = 256
MAX_REVIEWS = 10**9
MAX_SPEND = 10**12

USERS_TO_SCORE = Table(
    "users_to_score",
    "One row per user to score. engagement_score is derived, total_reviews x avg_rating, and so not asked for.",
    (
        Column("user_id", "string", "any text that tells your users apart"),
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
"""A nullable value that is not known is left empty."""


class RowIssue(StrEnum):
    """Why a row cannot be scored. A row has one reason: the first that holds, in this order."""

    FIELDS = "the row has more or fewer fields than the header"
    USER = f"user_id is empty, longer than {MAX_USER_ID_CHARACTERS} characters or holds a control character"
    REVIEWS = f"total_reviews is not a whole number from 1 to {MAX_REVIEWS:,}"
    RATING = "avg_rating is neither a number from 1 to 5 nor empty"
    DISCOUNT = "avg_discount is neither a percentage from 0 to 100 nor empty"
    SPEND = f"avg_spend is neither an amount from 0 to {MAX_SPEND:,} nor empty"


_ROW_NUMBER = Column(
    "row_number", "int64", "number of the row in the file, the first after the header being 1", minimum=1
)

SCORED_USERS = Table(
    "scored_users",
    "One row per row that could be scored, in the order of the file.",
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
            "(second distance - distance) / second distance; 0 is undecided",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        *(column for column in DRIVER_COLUMNS if column.type == "string"),
        *FEATURE_COLUMNS,
        Column("distance", "float64", "distance to the own segment's centroid", unit="sd", minimum=0),
        Column("is_outlier", "bool", "farther out than 99.5 % of the segment's training users"),
        Column("is_low_evidence", "bool", "one review only"),
        Column("model_version", "string", "version of the model that scored the user"),
    ),
    key=("row_number",),
)

REJECTED_USERS = Table(
    "rejected_users",
    "The rows that could not be scored, each with one reason, and their text as it stands in the file.",
    (
        _ROW_NUMBER,
        Column("reason", "string", "why the row was rejected (a RowIssue)"),
        *(Column(column.name, "string", f"{column.name} as text", nullable=True) for column in USERS_TO_SCORE.columns),
    ),
    key=("row_number",),
)
