"""Who the customers are at a glance: segments, their shares, what to do for each, and what changed."""

import streamlit as st

from amzseg_pipeline.app import cached_queries as questions
from amzseg_pipeline.app.components import segment_heading, share_bar
from amzseg_pipeline.app.formatting import points, share_of, signed, tactics, typical_user
from amzseg_pipeline.app.migrations import FIRST, history, moves, sizes
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.users import FEATURES

_MOST_IN_A_ROW = 4


def page() -> None:
    """Draws the page."""
    shown = page_head(
        "Customer segments", "Who your customers are, from what they review and buy, and what to do for each."
    )
    _numbers(shown)
    st.header("Segments and what to do for each", anchor=False)
    share_bar(shown)
    segments = len(shown.segment_ids)
    with st.grid(segments if segments <= _MOST_IN_A_ROW else 3, min_column_width=250, border=True) as grid:
        for segment_id in shown.segment_ids:
            with grid.cell():
                _card(shown, segment_id)
    st.header("What moved", anchor=False)
    _moves(shown)


def _numbers(shown: Published) -> None:
    row_reconciliation = shown.snapshot.run().get("row_reconciliation", {})
    doubts = questions.doubts(shown)
    undecided = int(doubts["undecided"].sum())
    change = None if shown.previous is None else shown.total_users - int(shown.previous["users"].sum())
    with st.grid(4, min_column_width=150):
        st.metric(
            "Users",
            f"{shown.total_users:,}",
            delta=None if change is None else signed(change),
            delta_color="off",
            delta_arrow="off" if not change else "up" if change > 0 else "down",
            border=True,
            height="stretch",
        )
        st.metric("Segments", len(shown.profiles), border=True, height="stretch")
        if "cleaned" in row_reconciliation:
            st.metric(
                "Reviews",
                f"{row_reconciliation['cleaned']:,}",
                help="Each review counted once.",
                border=True,
                height="stretch",
            )
        st.metric(
            "On the fence",
            share_of(undecided / shown.total_users) if shown.total_users else "–",
            help=f"{undecided:,} users lie almost as close to another segment as to their own.",
            border=True,
            height="stretch",
        )


def _card(shown: Published, segment_id: str) -> None:
    profile = shown.profile(segment_id)
    segment_heading(shown, segment_id, note=share_of(profile["share"]))
    change = _change_of_share(shown, segment_id)
    st.markdown(f"{profile['users']:,} users{f' · {change}' if change else ''}")
    st.caption(typical_user({name: profile[name] for name in FEATURES}, shown.currency))
    st.markdown("\n".join(f"- {each}" for each in tactics(profile["strategy"])))


def _change_of_share(shown: Published, segment_id: str) -> str:
    if shown.previous is None:
        return ""
    before = shown.previous.set_index("segment_id")["share"].get(segment_id)
    if before is None:
        return "new in this snapshot"
    change = float(shown.profile(segment_id)["share"]) - float(before)
    return "share unchanged" if abs(change) < 0.0005 else f"{points(change)} since the last snapshot"


def _moves(shown: Published) -> None:
    if shown.columns("segment_migrations"):
        moves(shown, shown.snapshot.table("segment_migrations"))
    elif shown.previous is not None:
        sizes(shown, shown.previous)
    else:
        st.markdown(FIRST)
    if shown.columns("segment_history"):
        history(shown, shown.snapshot.table("segment_history"))


page()
