"""Score a user described by a form."""

import streamlit as st

from amzseg_pipeline.app import cached_queries
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.app.user_scoring import scored_user, show_user_score
from amzseg_pipeline.contracts.scoring import MAX_REVIEWS, MAX_SPEND
from amzseg_pipeline.presentation.formatting import money_unit
from amzseg_pipeline.presentation.labels import feature_value


def page() -> None:
    """Draws the page."""
    shown = page_header("Score a user", "Describe a customer and see their segment. Nothing is stored.")
    left, right = st.columns([1, 2], gap="large")
    with left:
        features = _features(shown)
    with right:
        show_user_score(shown, scored_user(features, shown.model), key="score")


def _features(shown: ShownSnapshot) -> dict[str, float | None]:
    """The features from the form, which starts as the median user; engagement is derived."""
    medians = cached_queries.medians(shown)
    entered = st.session_state.get("entered_user", {})
    st.session_state.setdefault("reviews", entered.get("reviews", round(medians["total_reviews"] or 1)))
    for name, key, decimals in (
        ("avg_rating", "rating", 1),
        ("avg_discount", "discount", 0),
        ("avg_spend", "spend", 0),
    ):
        median = medians[name]
        default = None if median is None else float(round(median, decimals))
        st.session_state.setdefault(key, entered.get(key, default))
    reviews = st.number_input("Reviews", min_value=1, max_value=MAX_REVIEWS, step=1, key="reviews")
    rating = st.number_input(
        "Average rating (1 to 5 stars)",
        min_value=1.0, max_value=5.0, value=None, step=0.1, format="%.1f", key="rating", placeholder="unknown",
    )  # fmt: skip
    discount = st.number_input(
        "Average discount (percent)",
        min_value=0.0, max_value=100.0, value=None, step=1.0, format="%.1f", key="discount", placeholder="unknown",
    )  # fmt: skip
    spend = st.number_input(
        f"Average spend for an item ({money_unit(shown.currency)})",
        min_value=0.0, max_value=float(MAX_SPEND), value=None, step=50.0, format="%.2f", key="spend",
        placeholder="unknown",
    )  # fmt: skip
    # Streamlit drops the values of widgets that another page does not show.
    st.session_state["entered_user"] = {"reviews": reviews, "rating": rating, "discount": discount, "spend": spend}
    engagement = None if rating is None else reviews * rating
    st.caption(
        f"Engagement is derived: reviews × average rating = "
        f"{feature_value('engagement_score', engagement, currency=None)}.  \n"
        "The form starts with the median user. Leave a field empty if you do not know it."
    )
    return {
        "total_reviews": reviews,
        "avg_rating": rating,
        "avg_discount": discount,
        "avg_spend": spend,
        "engagement_score": engagement,
    }


page()
