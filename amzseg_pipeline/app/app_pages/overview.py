"""All segments at a glance: shares, what to do for each, and what changed."""

import streamlit as st

from amzseg_pipeline.app import cached_queries
from amzseg_pipeline.app.attention import show_attention
from amzseg_pipeline.app.components import segment_heading, share_bar
from amzseg_pipeline.app.differences import why_sentence
from amzseg_pipeline.app.migrations import show_history, show_migrations, show_outcomes
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.actions import actions_markdown
from amzseg_pipeline.presentation.formatting import percent, percentage_points, signed
from amzseg_pipeline.presentation.segment_texts import LOW_MARGIN, typical_user

_MAX_IN_A_ROW = 4
_MIN_CHANGE = 0.0005
_CONFIDENCE = {
    "high": "Other samples of the users give the same segments.",
    "medium": "Other samples of the users give nearly the same segments.",
    "low": "The data does not support this number of segments well; use them as a convention.",
}
"""Confidence in the segments -> what it says."""


def page() -> None:
    """Draws the page."""
    shown = page_header(
        "Customer segments", "Who your customers are, from what they review and buy, and what to do for each segment."
    )
    show_attention(shown)
    _metrics(shown)
    st.header("Segments and what to do for each", anchor=False)
    spend = cached_queries.spend_shares(shown)
    if spend:
        richest = max(spend, key=lambda segment_id: spend[segment_id])
        st.markdown(_money_sentence(shown, richest, spend[richest]))
        st.page_link("app_pages/segments.py", label="Write to them: campaign lists", query_params={"segment": richest})
    share_bar(shown, "Share of users", {each: float(shown.profile(each)["share"]) for each in shown.segment_ids})
    if spend:
        share_bar(shown, "Share of spend, all known prices paid", spend)
    segments = len(shown.segment_ids)
    with st.grid(segments if segments <= _MAX_IN_A_ROW else 3, min_column_width=250, border=True) as grid:
        for segment_id in shown.segment_ids:
            with grid.cell():
                _segment_card(shown, segment_id)
    st.header("What changed", anchor=False)
    show_migrations(shown, shown.snapshot.segment_migrations())
    show_history(shown, shown.snapshot.segment_history())
    outcomes = cached_queries.outcomes(shown)
    if outcomes is not None:
        show_outcomes(outcomes, currency=shown.currency)


def _metrics(shown: ShownSnapshot) -> None:
    counts = shown.snapshot.run().get("row_reconciliation", {})
    low_confidence = int(cached_queries.totals(shown)["low_confidence"].sum())
    change = None if shown.previous is None else shown.total_users - int(shown.previous["users"].sum())
    with st.grid(4, min_column_width=150):
        st.metric(
            "Users",
            f"{shown.total_users:,}",
            delta=None if change is None else signed(change) if change else "unchanged",
            delta_color="off",
            delta_arrow="off" if not change else "up" if change > 0 else "down",
            border=True,
            height="stretch",
        )
        level = shown.snapshot.run().get("k", {}).get("confidence")
        st.metric(
            "Segments", len(shown.profiles), delta=f"{level} confidence" if level else None, delta_color="off",
            delta_arrow="off", help=_CONFIDENCE.get(level), border=True, height="stretch",
        )  # fmt: skip
        if "cleaned" in counts:
            st.metric(
                "Reviews", f"{counts['cleaned']:,}", help="Distinct reviews, without duplicates.",
                border=True, height="stretch",
            )  # fmt: skip
        st.metric(
            "Unclear segment",
            percent(low_confidence / shown.total_users, decimals=1) if shown.total_users else "–",
            help=f"{low_confidence:,} users are almost as close to another segment as to their own (margin below "
            f"{LOW_MARGIN}).",
            border=True,
            height="stretch",
        )


def _money_sentence(shown: ShownSnapshot, richest: str, spend: float) -> str:
    """Which segment brings the most money, for example: Premium Loyalists bring 45% of spend with 10% of users."""
    users = percent(shown.profile(richest)["share"], decimals=1)
    share = percent(spend, decimals=1)
    return f"**{shown.name(richest)}** bring the most money: {share} of spend with {users} of users."


def _segment_card(shown: ShownSnapshot, segment_id: str) -> None:
    profile = shown.profile(segment_id)
    segment_heading(shown, segment_id, note=f"{percent(profile['share'], decimals=1)} of users")
    spend = cached_queries.spend_shares(shown).get(segment_id)
    change = _share_change(shown, segment_id)
    facts = [
        f"{profile['users']:,} users",
        *([] if spend is None else [f"**{percent(spend, decimals=1)} of spend**"]),
        *([change] if change else []),
    ]
    st.markdown(" · ".join(facts))
    means = {name: profile[name] for name in FEATURES}
    st.caption(typical_user(means, shown.currency, cached_queries.coverage(shown, segment_id)))
    st.markdown(why_sentence(shown, segment_id))
    st.markdown(actions_markdown(profile["strategy"]))
    st.page_link("app_pages/segments.py", label="Details and campaign lists", query_params={"segment": segment_id})


def _share_change(shown: ShownSnapshot, segment_id: str) -> str:
    if shown.previous is None:
        return ""
    before = shown.previous.set_index("segment_id")["share"].get(segment_id)
    if before is None:
        return "new in this snapshot"
    change = float(shown.profile(segment_id)["share"]) - float(before)
    if abs(change) < _MIN_CHANGE:
        return "share unchanged"
    return f"{percentage_points(change)} since the previous snapshot"


page()
