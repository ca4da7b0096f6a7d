"""Tables of the users stage: behavioural features and lifecycle of users."""

from enum import StrEnum

from amzseg_pipeline.contracts.schema import Column, Table

FEATURE_COLUMNS = (
    Column("total_reviews", "int64", "distinct reviews", unit="reviews", minimum=1),
    Column("avg_rating", "float64", "mean rating", unit="stars", nullable=True, minimum=1, maximum=5),
    Column("avg_discount", "float64", "mean discount", unit="percent", nullable=True, minimum=0, maximum=100),
    Column("avg_spend", "float64", "mean price paid", unit="currency of the source", nullable=True, minimum=0),
    Column(
        "engagement_score",
        "float64",
        "total_reviews x avg_rating",
        unit="star-reviews",
        nullable=True,
        minimum=1,
    ),
)
FEATURES = tuple(column.name for column in FEATURE_COLUMNS)

COUNT_COLUMNS = (
    Column("rated_reviews", "int64", "reviews with a rating", unit="reviews", minimum=0),
    Column("discounted_reviews", "int64", "reviews with a known discount", unit="reviews", minimum=0),
    Column("priced_reviews", "int64", "reviews with a price paid", unit="reviews", minimum=0),
)
"""The number of reviews behind avg_rating, avg_discount and avg_spend."""

TYPICAL_PRICE = Column(
    "typical_price",
    "float64",
    "typical price paid: exp(mean of ln(1 + price)) - 1, at most avg_spend",
    unit="currency of the source",
    nullable=True,
    minimum=0,
)
"""Spend as it is clustered: one expensive purchase changes it less than the mean."""

SCORING_COLUMNS = (*COUNT_COLUMNS, TYPICAL_PRICE)
"""Columns that scoring uses in addition to the five features, if they are known."""

NEW_DAYS = 90
ACTIVE_DAYS = 180
LAPSING_DAYS = 365
HALF_LIFE_DAYS = 180


class LifecycleStage(StrEnum):
    """Lifecycle stage of a user: the first that holds, in this order."""

    NEW = "new"
    ACTIVE = "active"
    LAPSING = "lapsing"
    LAPSED = "lapsed"


class RfmGroup(StrEnum):
    """Recency and number of reviews of a user, in the terms of RFM analysis."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    RECENT = "recent"
    NEEDS_ATTENTION = "needs attention"
    AT_RISK = "at risk"
    INACTIVE = "inactive"


CHAMPION_REVIEWS = 5

OUTCOME_DAYS = 90
"""What the users of a group did is counted over at least this many days."""

RFM_GROUP = Column(
    "rfm_group",
    "string",
    f"last review within {ACTIVE_DAYS} days: champions ({CHAMPION_REVIEWS} reviews or more), loyal (2 or more), recent "
    f"(1); within {LAPSING_DAYS} days: needs attention; else at risk (2 or more), inactive (1); null without dates",
    nullable=True,
)

TOTAL_SPEND = Column(
    "total_spend",
    "float64",
    "sum of prices paid, of reviews with a price",
    unit="currency of the source",
    nullable=True,
    minimum=0,
)

LIFECYCLE_COLUMNS = (
    Column(
        "recent_engagement",
        "float64",
        f"sum of rating / 5 x 2^(-age / {HALF_LIFE_DAYS} days)",
        unit="5-star-review equivalents",
        nullable=True,
        minimum=0,
    ),
    Column("recency_days", "int64", "days since the last review", unit="days", nullable=True, minimum=0),
    Column("tenure_days", "int64", "days since the first review", unit="days", nullable=True, minimum=0),
    Column("active_months", "int64", "calendar months (UTC) with a review", unit="months", nullable=True, minimum=1),
    Column(
        "lifecycle_stage",
        "string",
        f"new: first review within {NEW_DAYS} days; active: last within {ACTIVE_DAYS}; lapsing: within {LAPSING_DAYS}; "
        "else lapsed",
        nullable=True,
    ),
)
"""Null where no review has a date. Not used for clustering: they change for all users with every run."""

USER_FEATURES = Table(
    "user_features",
    "One row per user: five features, the lifecycle, and the integer counts and sums they are computed from.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        *FEATURE_COLUMNS,
        *LIFECYCLE_COLUMNS,
        *COUNT_COLUMNS,
        Column(
            "future_reviews", "int64", "reviews dated after as_of, treated as dated as_of", unit="reviews", minimum=0
        ),
        Column("rating_tenths_sum", "int64", "sum of ratings", unit="tenths of a star", minimum=0),
        Column("rating_square_sum", "int64", "sum of squared ratings", unit="tenths of a star, squared", minimum=0),
        Column("discount_bp_sum", "int64", "sum of discounts", unit="basis points", minimum=0),
        Column("discount_square_sum", "int64", "sum of squared discounts", unit="basis points, squared", minimum=0),
        Column("paid_minor_sum", "int64", "sum of prices paid", unit="hundredths of the currency", minimum=0),
        Column("log_paid_sum", "int64", "sum of ln(1 + price paid)", unit="thousandths", minimum=0),
        Column("log_paid_square_sum", "int64", "sum of squared ln(1 + price)", unit="thousandths, squared", minimum=0),
        Column("first_reviewed_at_ms", "int64", "first review", unit="milliseconds since 1970 UTC", nullable=True),
        Column("last_reviewed_at_ms", "int64", "last review", unit="milliseconds since 1970 UTC", nullable=True),
        Column("as_of", "date", "the earlier of the newest review's date and the run's date; the same for all users"),
    ),
    key=("user_id",),
)
"""Counts, sums, sums of squares, first and last of subsets of a user's reviews merge exactly; active_months does not.

A squared rating is at most 2,500, a squared discount 10^8 and a squared logarithm 1.1 x 10^9: int64 holds the sums of
8 billion reviews of one user.
"""
