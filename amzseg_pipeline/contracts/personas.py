"""Personas: the names that segments can get, what each name claims, and the strategy for its users."""

from dataclasses import dataclass
from typing import Literal

Axis = Literal["engagement", "spend", "discount", "rating"]

RAW_FEATURES: dict[Axis, str] = {
    "engagement": "total_reviews",
    "spend": "avg_spend",
    "discount": "avg_discount",
    "rating": "avg_rating",
}
"""Axis -> the feature that claims about it are checked with, in the units that people see."""


@dataclass(frozen=True)
class Difference:
    """The minimum difference that a claim needs: a `factor` of the value of all users, or `points` in its units."""

    factor: float = 1.0
    points: float = 0.0

    def is_met(self, value: float, reference: float, *, is_high: bool) -> bool:
        """Whether `value` is above (`is_high`) or below `reference` by at least this difference."""
        if is_high:
            return value >= max(reference * self.factor, reference + self.points)
        return value <= min(reference / self.factor, reference - self.points)


CLAIM_DIFFERENCES: dict[Axis, Difference] = {
    "engagement": Difference(factor=1.25),
    "spend": Difference(factor=1.1),
    "discount": Difference(points=5.0),
    "rating": Difference(points=0.2),
}
"""Mean and median of the members must both differ from those of all users by this much."""


@dataclass(frozen=True)
class Persona:
    """A segment name with its prototype: the expected centroid in population standard deviations, per axis.

    `claims` lists the axes that the name makes a statement about. A segment on the other side of the population mean
    must not get the name, and the name is not used for a source without the axis. Members must also be within
    `min_rating` and `max_rating` stars.
    """

    name: str
    engagement: float
    spend: float
    discount: float
    rating: float
    strategy: str
    claims: tuple[Axis, ...]
    core: bool = False
    min_rating: float | None = None
    max_rating: float | None = None


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
    Persona(
        "Dissatisfied Shoppers",
        -0.3,
        -0.2,
        0.1,
        -1.8,
        "service recovery, quality guarantee",
        claims=("rating",),
        max_rating=3.5,
    ),
    Persona(
        "Delighted One-Timers",
        -0.5,
        -0.2,
        -0.1,
        1.3,
        "second-purchase offer, ask for a referral",
        claims=("engagement", "rating"),
        min_rating=4.5,
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
        min_rating=4.5,
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
        "Critical Loyalists",
        1.8,
        1.0,
        0.0,
        -1.5,
        "quality guarantee, ask what went wrong",
        claims=("engagement", "rating"),
    ),
)
"""Four axes, each clipped to +-5. Engagement is the mean of total_reviews and engagement_score."""

ALL_CUSTOMERS = Persona("All Customers", 0.0, 0.0, 0.0, 0.0, "one programme for everyone", claims=())
"""The name of a single segment."""
