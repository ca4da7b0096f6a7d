"""The segments stage: assignments, profiles and the personas that name segments."""

from dataclasses import dataclass, replace
from typing import Literal

from amzseg_pipeline.contracts.history import DRIVER_COLUMNS, PREVIOUS_COLUMNS
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.contracts.users import COUNT_COLUMNS, FEATURE_COLUMNS, FEATURES, LIFECYCLE_COLUMNS

SCALED_FEATURES = Table(
    "scaled_features",
    "The training sample: at most `training_users` users, their features transformed and scaled.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        Column("stratum", "string", "total_reviews as 1, 2, 3-5 or 6+: the sample for choosing k has some of each"),
        *(
            Column(name, "float64", f"{name}, transformed and scaled; null when dropped", unit="sd", nullable=True)
            for name in FEATURES
        ),
    ),
    key=("user_id",),
)

_SEGMENT_ID = Column("segment_id", "string", "segment, S0001 onward; never used again for another segment")
_SEGMENT_NAME = Column("segment_name", "string", "persona of the segment; unique within a snapshot")

SEGMENT_ASSIGNMENTS = Table(
    "segment_assignments",
    "Every user's segment, with the features that led to it and how sure it is.",
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
            "(second distance - distance) / second distance; 0 is undecided",
            nullable=True,
            minimum=0,
            maximum=1,
        ),
        Column("is_outlier", "bool", "farther out than 99.5 % of the segment's training users"),
        Column("is_low_evidence", "bool", "one review only"),
        Column("model_version", "string", "version of the model that scored the user"),
        Column("as_of", "date", "the earlier of the newest review's date and the run's date"),
        *LIFECYCLE_COLUMNS,
        *(replace(column, nullable=True) for column in COUNT_COLUMNS),
        *DRIVER_COLUMNS,
        *PREVIOUS_COLUMNS,
    ),
    key=("user_id",),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    "One row per segment: its size, the mean of every feature and what to do for it.",
    (
        _SEGMENT_ID,
        _SEGMENT_NAME,
        Column("users", "int64", "users in the segment", unit="users", minimum=0),
        Column("share", "float64", "part of all users", minimum=0, maximum=1),
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
        Column("strategy", "string", "what to offer the segment"),
        Column(
            "name_fit",
            "float64",
            "part of what sets the segment apart that its name accounts for: 1 all, 0 nothing",
            minimum=0,
            maximum=1,
        ),
        Column("model_version", "string", "version of the model that made the segment"),
    ),
    key=("segment_id",),
)


Axis = Literal["engagement", "spend", "discount", "rating"]


@dataclass(frozen=True)
class Persona:
    """A name for a segment, and where its centroid is expected, in population standard deviations.

    `claims` are the axes that the name speaks of outright: users on the other side of the population's mean must not
    bear it, nor may it be used where a source does not have the axis.
    """

    name: str
    engagement: float
    spend: float
    discount: float
    rating: float
    strategy: str
    claims: tuple[Axis, ...]
    core: bool = False


PERSONAS = (
    Persona(
        "Premium Loyalists",
        2.5,
        1.0,
        0.0,
        0.3,
        "loyalty programme, early access, exclusive offers, premium recommendations",
        claims=("engagement", "spend"),
        core=True,
    ),
    Persona(
        "Deal Seekers",
        -0.3,
        -0.6,
        1.0,
        -0.2,
        "flash sales, coupons, price-drop alerts",
        claims=("discount",),
        core=True,
    ),
    Persona(
        "Casual Buyers",
        -0.5,
        0.1,
        -0.7,
        0.1,
        "personalised recommendations, onboarding offers, reminders",
        claims=(),
        core=True,
    ),
    Persona(
        "Loyal Bargain Hunters",
        2.0,
        -0.5,
        0.8,
        0.0,
        "bundles, subscribe and save, referral",
        claims=("engagement", "discount"),
    ),
    Persona("Big-Ticket Buyers", -0.3, 1.5, -0.2, 0.2, "financing, warranty, accessories", claims=("spend",)),
    Persona("Regular Shoppers", 1.0, 0.0, 0.0, 0.0, "next-best category, membership nudge", claims=("engagement",)),
    Persona("Dissatisfied Shoppers", -0.3, -0.2, 0.1, -1.8, "service recovery, quality guarantee", claims=("rating",)),
    Persona(
        "Delighted One-Timers",
        -0.5,
        -0.2,
        -0.1,
        1.3,
        "second-purchase offer, ask for a referral",
        claims=("engagement", "rating"),
    ),
    Persona(
        "Full-Price Minimalists",
        -0.4,
        -0.8,
        -1.3,
        0.0,
        "convenience, low-cost staples, no coupons",
        claims=("spend", "discount"),
    ),
    Persona("Premium Deal Hunters", 0.0, 1.0, 1.0, 0.1, "premium clearance, trade-up", claims=("spend", "discount")),
    Persona("Mainstream Shoppers", -0.1, 0.0, 0.0, 0.0, "best-sellers, seasonal campaigns", claims=()),
    Persona(
        "Lukewarm Shoppers",
        -0.3,
        0.2,
        -0.2,
        -0.8,
        "better-rated alternatives, ask what was missing",
        claims=("rating",),
    ),
    Persona("Thrifty Shoppers", -0.2, -1.0, 0.0, 0.0, "low-cost staples, multipacks", claims=("spend",)),
    Persona("Satisfied Savers", -0.2, -0.8, 0.0, 0.8, "multipacks, second-purchase offer", claims=("spend", "rating")),
    Persona(
        "Demanding Big Spenders",
        -0.3,
        1.2,
        -0.2,
        -0.6,
        "advice before they buy, extended returns",
        claims=("spend", "rating"),
    ),
    Persona(
        "Delighted Bargain Hunters",
        -0.2,
        -0.3,
        0.6,
        0.8,
        "refer a friend with a coupon, review rewards",
        claims=("discount", "rating"),
    ),
    Persona(
        "Bargain Regulars",
        0.7,
        -0.7,
        1.1,
        -0.3,
        "coupon packs, price-drop alerts on what they bought",
        claims=("engagement", "discount"),
    ),
    Persona(
        "Full-Price Regulars",
        0.6,
        0.1,
        -1.1,
        0.2,
        "new arrivals, loyalty points, no coupons",
        claims=("engagement", "discount"),
    ),
    Persona(
        "Small-Basket Regulars",
        0.7,
        -0.7,
        0.0,
        0.0,
        "subscribe and save, add-on items",
        claims=("engagement", "spend"),
    ),
    Persona(
        "High-Value Regulars",
        2.2,
        2.0,
        -0.3,
        0.0,
        "personal service, early access, bundles of premium items",
        claims=("engagement", "spend"),
    ),
    Persona(
        "At-Risk Loyalists",
        1.8,
        1.0,
        0.0,
        -1.5,
        "personal win-back, quality guarantee",
        claims=("engagement", "rating"),
    ),
)
"""Prototypes on four axes, each clipped to +-5: engagement is the mean of total_reviews and engagement_score."""

ALL_CUSTOMERS = Persona("All Customers", 0.0, 0.0, 0.0, 0.0, "one programme for everyone", claims=())
"""The name when there is one segment."""
