"""Campaign lists of a segment: an audience with filters, its size, a preview and a download."""

from datetime import date, timedelta

import streamlit as st

from amzseg_pipeline.app.downloads import FILE_TYPES
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.app.segment_downloads import segment_download_path
from amzseg_pipeline.app.user_tables import users_table
from amzseg_pipeline.contracts.segments import LOOKALIKE_MARGIN
from amzseg_pipeline.presentation.formatting import counted
from amzseg_pipeline.presentation.segment_texts import HIGH_MARGIN, LOW_MARGIN
from amzseg_pipeline.storage.serving.snapshot_queries import Audience, Campaign
from amzseg_pipeline.storage.snapshots import Snapshot

_MAX_USERS = 100
_AUDIENCES: dict[Audience, str] = {"members": "Members", "joined": "Joined since …", "lookalikes": "Lookalikes"}
_CONFIDENCES = {
    0.0: "Any",
    LOW_MARGIN: f"Medium or high: margin of {LOW_MARGIN} or more",
    HIGH_MARGIN: f"High: margin of {HIGH_MARGIN} or more",
}


def show_campaign_list(shown: ShownSnapshot, segment_id: str) -> None:
    """Draws the filters, the size of the list, its first users and the downloads."""
    st.subheader("Campaign list", anchor=False)
    campaign = _campaign(shown, segment_id)
    users = shown.users.campaign_size(segment_id, campaign)
    first = f"; the first {_MAX_USERS} are shown" if users > _MAX_USERS else ""
    st.markdown(f"**{counted(users, 'user')}** in this list{first}. The download has all of them with every column.")
    listed = shown.users.campaign_users(segment_id, campaign, limit=_MAX_USERS)
    other_segment = "segment_id" if campaign.audience == "lookalikes" else "second_segment_id"
    users_table(shown, listed, other_segment=other_segment, key="campaign_users")
    with st.container(horizontal=True):
        for file_format, file_type in FILE_TYPES.items():
            st.link_button(
                f"Download as {file_type.label}",
                segment_download_path(shown.snapshot.sequence, segment_id, file_format, campaign=campaign),
                icon=":material/download:",
            )


def _after(predecessor: Snapshot, latest: date) -> date:
    """The first day on which users may have joined since the predecessor, at the latest the day of the snapshot."""
    return min(predecessor.created.date() + timedelta(days=1), latest)


def _campaign(shown: ShownSnapshot, segment_id: str) -> Campaign:
    audiences = [each for each in _AUDIENCES if each != "joined" or shown.predecessor]
    audience = st.pills(
        "Audience", audiences, default="members", required=True, key="audience",
        format_func=lambda each: _AUDIENCES[each],
        help=f"Joined: new users and users who came from another segment; known from the second snapshot on. "
        f"Lookalikes: users of other segments who are almost as close to {shown.name(segment_id)} "
        f"(margin below {LOOKALIKE_MARGIN}), the closest first.",
    )  # fmt: skip
    audience = audience if audience in audiences else "members"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        campaign = Campaign(audience=audience)
        if audience == "joined" and shown.predecessor:
            latest = shown.snapshot.created.date()
            first = _after(shown.predecessor, latest)
            since = st.date_input("Since", first, max_value=latest, key="since", width=180)
            campaign = Campaign(audience=audience, since=since)
        min_margin = 0.0
        if audience != "lookalikes":
            min_margin = st.selectbox(
                "Confidence",
                list(_CONFIDENCES),
                format_func=lambda each: _CONFIDENCES[each],
                key="confidence",
                width=320,
            )
        several_reviews = st.checkbox("Several reviews only", key="several_reviews")
        no_outliers = st.checkbox("Without outliers", key="no_outliers")
    return Campaign(
        audience=campaign.audience,
        since=campaign.since,
        min_margin=min_margin,
        several_reviews=several_reviews,
        no_outliers=no_outliers,
    )
