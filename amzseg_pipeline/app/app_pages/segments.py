"""One segment beside the others and beside everyone: profile, distributions, map, its users and their download."""

import streamlit as st

from amzseg_pipeline.app import cached_queries as questions
from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import segment_heading, small_table
from amzseg_pipeline.app.downloads import FILE_FORMATS
from amzseg_pipeline.app.formatting import FEATURE_WORDS, feature_heading, feature_value, share_of, tactics
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published, min_name_fit
from amzseg_pipeline.app.segment_downloads import segment_address
from amzseg_pipeline.app.user_tables import users_table
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.storage.serving.snapshot_queries import Order

_SHOWN_USERS = 100
_DOUBTS = ("low_evidence", "undecided", "outliers")
_FIRST_FEATURE = "avg_discount"
_ORDERS: dict[Order, str] = {
    "typical": "Most typical",
    "undecided": "Closest to another segment",
    "extreme": "Farthest from the centre",
}


def page() -> None:
    """Draws the page."""
    shown = page_head("Segments", "What sets each segment apart, and who is in it.")
    st.header("All segments", anchor=False)
    _profiles(shown)
    st.header("One segment", anchor=False)
    selected = st.pills(
        "Segment",
        shown.segment_ids,
        default=shown.segment_ids[0],
        required=True,
        format_func=shown.name,
        key="segment",
        bind="query-params",
        label_visibility="collapsed",
    )
    _segment(shown, selected if isinstance(selected, str) else shown.segment_ids[0])


def _profiles(shown: Published) -> None:
    rows = [
        _profile_row(profile["segment_name"], int(profile["users"]), float(profile["share"]), profile, shown)
        for profile in map(shown.profile, shown.segment_ids)
    ]
    rows.append(_profile_row("All users", shown.total_users, 1.0, questions.means(shown), shown))
    small_table(
        ["Segment", "Users", "Share", *(feature_heading(name, shown.currency) for name in FEATURES)],
        rows,
        colours=[shown.colours[segment_id] for segment_id in shown.segment_ids],
        bold=[*[False] * len(shown.segment_ids), True],
    )
    st.caption("The mean of each feature. Engagement is reviews × average rating.")


def _profile_row(name: str, users: int, share: float, means: dict[str, float | None], shown: Published) -> list[str]:
    values = (
        feature_value(each, means[each], currency=shown.currency, unit=each == "avg_spend", is_mean=True)
        for each in FEATURES
    )
    return [name, f"{users:,}", share_of(share), *values]


def _segment(shown: Published, segment_id: str) -> None:
    profile = shown.profile(segment_id)
    doubts = questions.doubts(shown)
    about, picture = st.columns([2, 3], gap="large")
    with about:
        segment_heading(shown, segment_id, note=f"{profile['users']:,} users · {share_of(profile['share'])}", level=2)
        st.markdown("**What to do**\n" + "\n".join(f"- {each}" for each in tactics(profile["strategy"])))
        if segment_id in doubts.index:
            single, undecided, outliers = (
                share_of(float(part)) for part in doubts.loc[segment_id, list(_DOUBTS)] / max(profile["users"], 1)
            )
            st.caption(
                f"{single} have written one review only · {undecided} lie almost as close to another segment · "
                f"{outliers} are unlike the users the model was trained on."
            )
        st.caption(
            f"The name accounts for {share_of(profile['name_fit'])} of what sets this segment apart from the average "
            "customer."
            + ("" if profile["name_fit"] >= min_name_fit() else " That is little: read the profile, not the name.")
        )
    with picture:
        charts.show(
            charts.profile_figure(shown, segment_id),
            key="profile",
            alt="Centre of each segment per feature, in standard deviations from the average customer.",
        )
    _distribution(shown, segment_id)
    st.subheader("Map of users", anchor=False)
    found = questions.segment_map(shown)
    across, up = (charts.direction_words(found, shown, place) for place in (0, 1))
    st.caption(
        f"{len(found.segment_ids):,} users, flattened to the two directions in which they differ most. "
        f"To the right: {across}. Upwards: {up}. Diamonds are the centres of segments."
    )
    charts.show(
        charts.map_figure(shown, found, segment_id),
        key="map",
        alt="Users and the centres of segments on a flat map, coloured by segment.",
    )
    _users(shown, segment_id)


def _distribution(shown: Published, segment_id: str) -> None:
    st.subheader("Distributions", anchor=False)
    known = [name for name, mean in questions.means(shown).items() if mean is not None]
    first = _FIRST_FEATURE if _FIRST_FEATURE in known else known[0]
    feature = st.pills(
        "Feature",
        known,
        default=first,
        required=True,
        format_func=lambda name: FEATURE_WORDS[name].label,
        key="feature",
        label_visibility="collapsed",
    )
    name = feature if isinstance(feature, str) else first
    bins, counts = questions.histograms(shown, name)
    charts.show(
        charts.distribution_figure(shown, name, bins=bins, counts=counts, selected=segment_id),
        key="distribution",
        alt=f"{FEATURE_WORDS[name].label} of the users of each segment.",
    )


def _users(shown: Published, segment_id: str) -> None:
    st.subheader("Users", anchor=False)
    order = st.selectbox(
        "Show first", list(_ORDERS), format_func=lambda each: _ORDERS[each], key="order", filter_mode=None, width=320
    )
    users_table(shown, shown.users.of_segment(segment_id, order=order, most=_SHOWN_USERS), key="users")
    count = int(shown.profile(segment_id)["users"])
    if count > _SHOWN_USERS:
        st.caption(f"The first {_SHOWN_USERS} of {count:,}. The download holds all of them, with every column.")
    with st.container(horizontal=True):
        for file_format, kind in FILE_FORMATS.items():
            st.link_button(
                f"Download as {kind.label}",
                segment_address(shown.snapshot.sequence, segment_id, file_format),
                icon=":material/download:",
            )


page()
