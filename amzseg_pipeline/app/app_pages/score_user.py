"""A user who is described by hand, scored at once."""

import streamlit as st

from amzseg_pipeline.app import cached_queries as questions
from amzseg_pipeline.app.formatting import feature_value
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.app.user_scoring import show_verdict, verdict
from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND
from amzseg_pipeline.presentation.formatting import money_unit


def page() -> None:
    """Draws the page."""
    shown = page_head("Score a user", "Describe a customer and see which segment they belong to. Nothing is stored.")
    asked, answer = st.columns([1, 2], gap="large")
    with asked:
        features = _features(shown)
    with answer:
        show_verdict(shown, verdict(features, shown.model), key="score")


def _features(shown: Published) -> dict[str, float | None]:
    """What was typed in; it starts as the median user. Engagement is derived, not asked."""
    start = questions.medians(shown)
    st.session_state.setdefault("reviews", round(start["total_reviews"] or 1))
    for name, key, decimals in (
        ("avg_rating", "rating", 1),
        ("avg_discount", "discount", 0),
        ("avg_spend", "spend", 0),
    ):
        value = start[name]
        st.session_state.setdefault(key, None if value is None else float(round(value, decimals)))
    reviews = st.number_input("Reviews", min_value=1, max_value=MAX_REVIEWS, step=1, key="reviews")
    rating = st.number_input(
        "Average rating (1 to 5 stars)",
        min_value=1.0, max_value=5.0, value=None, step=0.1, format="%.1f", key="rating", placeholder="not known",
    )  # fmt: skip
    discount = st.number_input(
        "Average discount (percent)",
        min_value=0.0, max_value=100.0, value=None, step=1.0, format="%.1f", key="discount", placeholder="not known",
    )  # fmt: skip
    spend = st.number_input(
        f"Average spend for an item ({money_unit(shown.currency)})",
        min_value=0.0, max_value=float(MAX_SPEND), value=None, step=50.0, format="%.2f", key="spend",
        placeholder="not known",
    )  # fmt: skip
    engagement = None if rating is None else reviews * rating
    known = feature_value("engagement_score", engagement, currency=None)
    st.caption(
        f"Engagement is derived: reviews × average rating = {known}.  \n"
        "It starts as the median user. Leave a field empty where you do not know."
    )
    return {
        "total_reviews": reviews,
        "avg_rating": rating,
        "avg_discount": discount,
        "avg_spend": spend,
        "engagement_score": engagement,
    }


page()
