"""One segment: profile, campaign lists; then all segments: profiles, comparison, distributions, map."""

from collections.abc import Mapping

import streamlit as st

from amzseg_pipeline.app import cached_queries, charts
from amzseg_pipeline.app.campaign_lists import show_campaign_list
from amzseg_pipeline.app.components import html_table, segment_heading
from amzseg_pipeline.app.differences import comparison_sentence, why_sentence
from amzseg_pipeline.app.links import linked, set_link
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot, min_name_fit
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.actions import actions_markdown
from amzseg_pipeline.presentation.formatting import percent
from amzseg_pipeline.presentation.labels import FEATURE_LABELS, feature_heading, feature_value
from amzseg_pipeline.presentation.segment_texts import with_coverage

_FIRST_FEATURE = "avg_discount"


def page() -> None:
    """Draws the page."""
    shown = page_header("Segments", "What sets each segment apart, and who is in it.")
    segment_id = _selected(shown)
    _segment(shown, segment_id)
    show_campaign_list(shown, segment_id)
    st.header("All segments", anchor=False)
    _profiles(shown)
    _comparison(shown, segment_id)
    _distribution(shown, segment_id)
    _map(shown, segment_id)


def _selected(shown: ShownSnapshot) -> str:
    """The selected segment, kept in the URL; a link to a segment that no longer exists is explained."""
    linked_id = linked("segment")
    if linked_id is not None and linked_id not in shown.segment_ids:
        st.info(
            "This link names a segment that the latest snapshot does not have. It may have been merged or split; "
            "the page Overview shows what changed.",
            icon=":material/link_off:",
        )
        linked_id = None
    if "segment" not in st.session_state or st.session_state["segment"] not in shown.segment_ids:
        st.session_state["segment"] = linked_id or shown.segment_ids[0]
    selected = st.pills(
        "Segment",
        shown.segment_ids,
        required=True,
        format_func=shown.name,
        key="segment",
        label_visibility="collapsed",
    )
    segment_id = selected if selected in shown.segment_ids else shown.segment_ids[0]
    set_link("segment", segment_id)
    return segment_id


def _comparison(shown: ShownSnapshot, segment_id: str) -> None:
    others = [each for each in shown.segment_ids if each != segment_id]
    if not others:
        return
    st.subheader("Compare with another segment", anchor=False)
    other_id = st.pills(
        "Compare with", others, format_func=shown.name, key=f"compare_{segment_id}", label_visibility="collapsed"
    )
    if other_id not in others:
        st.caption("Select a segment to see both side by side.")
        return
    st.markdown(comparison_sentence(shown, segment_id, other_id))
    spend = cached_queries.spend_shares(shown)
    pair = (segment_id, other_id)
    profiles = [shown.profile(each) for each in pair]
    coverages = [cached_queries.coverage(shown, each) for each in pair]
    rows = [
        ["Users", *(f"{profile['users']:,}" for profile in profiles)],
        ["Share of users", *(percent(profile["share"], decimals=1) for profile in profiles)],
        *([["Share of spend", *(percent(spend[each], decimals=1) for each in pair)]] if spend else []),
    ]
    for name in FEATURES:
        values = (feature_value(name, each[name], currency=shown.currency, is_mean=True) for each in profiles)
        cells = (with_coverage(value, coverage[name]) for value, coverage in zip(values, coverages, strict=True))
        rows.append([FEATURE_LABELS[name].label, *cells])
    html_table(["", *map(shown.name, pair)], rows)


def _profiles(shown: ShownSnapshot) -> None:
    spend = cached_queries.spend_shares(shown)
    rows = [
        _profile_row(shown, shown.name(each), int(shown.profile(each)["users"]), spend.get(each), shown.profile(each),
                     cached_queries.coverage(shown, each))
        for each in shown.segment_ids
    ]  # fmt: skip
    rows.append(
        _profile_row(shown, "All users", shown.total_users, 1.0 if spend else None, cached_queries.means(shown),
                     cached_queries.coverage(shown))
    )  # fmt: skip
    html_table(
        [
            "Segment",
            "Users",
            "Share of users",
            "Share of spend",
            *(feature_heading(name, shown.currency) for name in FEATURES),
        ],
        rows,
        colours=[shown.colours[segment_id] for segment_id in shown.segment_ids],
        bold=[*[False] * len(shown.segment_ids), True],
    )
    is_partly_known = any("known for" in cell for row in rows for cell in row)
    known_for = "; “known for” gives their share where it is below half" if is_partly_known else ""
    st.caption(
        f"The mean of each feature over the users who have it{known_for}. "
        "Share of spend counts all known prices paid. Engagement is reviews × average rating."
    )


def _profile_row(
    shown: ShownSnapshot, name: str, users: int, spend: float | None, means: Mapping[str, float | None],
    coverage: Mapping[str, float],
) -> list[str]:  # fmt: skip
    values = (
        with_coverage(
            feature_value(each, means[each], currency=shown.currency, unit=each == "avg_spend", is_mean=True),
            coverage[each],
        )
        for each in FEATURES
    )
    share = percent(users / max(shown.total_users, 1), decimals=1)
    return [name, f"{users:,}", share, "–" if spend is None else percent(spend, decimals=1), *values]


def _segment(shown: ShownSnapshot, segment_id: str) -> None:
    profile = shown.profile(segment_id)
    spend = cached_queries.spend_shares(shown).get(segment_id)
    shares = f"{percent(profile['share'], decimals=1)} of users"
    if spend is not None:
        shares += f" · {percent(spend, decimals=1)} of spend"
    left, right = st.columns([2, 3], gap="large")
    with left:
        segment_heading(shown, segment_id, note=f"{profile['users']:,} users · {shares}", level=2)
        st.markdown(why_sentence(shown, segment_id))
        st.markdown(f"**What to do**\n{actions_markdown(profile['strategy'])}")
        _evidence(shown, segment_id)
        name_fit = percent(profile["name_fit"], decimals=1)
        st.caption(
            f"The name describes {name_fit} of what sets this segment apart from the average user."
            + ("" if profile["name_fit"] >= min_name_fit() else " That is little: rely on the profile, not the name.")
        )
    with right:
        charts.show(
            charts.profile_figure(shown, segment_id),
            key="profile",
            alt="Centre of each segment per feature, in standard deviations from the average user.",
        )


def _evidence(shown: ShownSnapshot, segment_id: str) -> None:
    counts = cached_queries.totals(shown).to_dict("index").get(segment_id)
    if counts is None:
        return
    users = max(int(shown.profile(segment_id)["users"]), 1)
    low_evidence, low_confidence, outliers = (
        percent(counts[name] / users, decimals=1) for name in ("low_evidence", "low_confidence", "outliers")
    )
    st.caption(
        f"{low_evidence} have written only one review · {low_confidence} are almost as close to another segment · "
        f"{outliers} are unlike the users the model was trained on."
    )


def _distribution(shown: ShownSnapshot, segment_id: str) -> None:
    st.subheader("Distributions", anchor=False)
    known = [name for name, mean in cached_queries.means(shown).items() if mean is not None]
    default = _FIRST_FEATURE if _FIRST_FEATURE in known else known[0]
    selected = st.pills(
        "Feature",
        known,
        default=default,
        required=True,
        format_func=lambda name: FEATURE_LABELS[name].label,
        key="feature",
        label_visibility="collapsed",
    )
    feature = selected if isinstance(selected, str) else default
    bins, counts = cached_queries.histograms(shown, feature)
    charts.show(
        charts.distribution_figure(shown, feature, bins=bins, counts=counts, selected=segment_id),
        key="distribution",
        alt=f"{FEATURE_LABELS[feature].label} of the users of each segment.",
    )


def _map(shown: ShownSnapshot, segment_id: str) -> None:
    st.subheader("Map of users", anchor=False)
    segment_map = cached_queries.segment_map(shown)
    right, up = (charts.direction_description(segment_map, shown, direction) for direction in (0, 1))
    st.caption(
        f"{len(segment_map.segment_ids):,} users in the two directions in which they differ most. "
        f"To the right: {right}. Upwards: {up}. Diamonds are the centres of the segments."
    )
    charts.show(
        charts.map_figure(shown, segment_map, segment_id),
        key="map",
        alt="Users and segment centres on a map, coloured by segment.",
    )


page()
