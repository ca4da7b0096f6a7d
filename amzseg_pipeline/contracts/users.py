"""The users stage: the behavioural features of a user."""

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

USER_FEATURES = Table(
    "user_features",
    "One row per user: the five features, and the integer counts and sums they come from.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        *FEATURE_COLUMNS,
        Column("rated_reviews", "int64", "reviews with a rating", unit="reviews", minimum=0),
        Column("discounted_reviews", "int64", "reviews with a known discount", unit="reviews", minimum=0),
        Column("priced_reviews", "int64", "reviews with a price paid", unit="reviews", minimum=0),
        Column("rating_tenths_sum", "int64", "sum of ratings", unit="tenths of a star", minimum=0),
        Column("discount_bp_sum", "int64", "sum of discounts", unit="basis points", minimum=0),
        Column("paid_minor_sum", "int64", "sum of prices paid", unit="hundredths of the currency", minimum=0),
        Column("first_reviewed_at_ms", "int64", "first review", unit="milliseconds since 1970 UTC", nullable=True),
        Column("last_reviewed_at_ms", "int64", "last review", unit="milliseconds since 1970 UTC", nullable=True),
    ),
    key=("user_id",),
)
