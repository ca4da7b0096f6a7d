"""A published user found by id: segment, confidence, features compared with others, and history."""

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import cached_queries
from amzseg_pipeline.app.components import html_table
from amzseg_pipeline.app.links import linked, set_link
from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.app.user_scoring import scored_user, show_user_score
from amzseg_pipeline.app.user_tables import feature_table
from amzseg_pipeline.contracts.history import Cause
from amzseg_pipeline.contracts.scoring import MAX_USER_ID_CHARACTERS
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.presentation.formatting import day
from amzseg_pipeline.steps.pseudonyms import USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import user_key_from_environment

_MAX_SUGGESTIONS = 20
_CAUSES = {
    Cause.BEHAVIOUR: "The behaviour of the user changed.",
    Cause.DATA: "The reviews or prices of the user were corrected.",
    Cause.MODEL: "The model changed, not the behaviour of the user.",
    Cause.BOTH: "The behaviour of the user and the model changed.",
}


def page() -> None:
    """Draws the page."""
    shown = page_header("Find a user", "Look up a published user by id.")
    if "user_id" not in st.session_state and (linked_id := linked("user")):
        st.session_state["user_id"] = linked_id[:MAX_USER_ID_CHARACTERS]
    text = st.text_input(
        "User id",
        key="user_id",
        max_chars=MAX_USER_ID_CHARACTERS,
        placeholder="Paste an id, or type how it begins",
        icon=":material/search:",
        autocomplete="off",
    )
    user_id = (text or "").strip()
    key = _user_key(shown)
    user = _published_user(shown, user_id, key) if user_id else None
    # The URL names the published id, so a link reveals no source id behind a pseudonym.
    set_link("user", None if user is None else str(user["user_id"]))
    if user is None:
        _suggestions(shown, user_id, has_key=key is not None)
    else:
        _user(shown, user)


def _user_key(shown: ShownSnapshot) -> UserKey | None:
    """The key behind the published pseudonyms; None if there is none or the app does not have it."""
    key_id = shown.snapshot.user_key_id
    if key_id is None:
        return None
    key = user_key_from_environment()
    if key is not None and key.id == key_id:
        st.caption("Ids are published as pseudonyms. The app has their key: enter the id that your shop uses.")
        return key
    problem = "does not have that key" if key is None else f"has another key, {key.id}"
    st.info(
        f"Ids are published as pseudonyms of key {key_id}, and this app {problem}: users can only be found by "
        f"pseudonym. To find them by the id that your shop uses, the operator of the app sets {USER_KEY_VARIABLE} and "
        "restarts it.",
        icon=":material/key:",
    )
    return None


def _published_user(shown: ShownSnapshot, user_id: str, key: UserKey | None) -> dict[str, Any] | None:
    """The user with this id, or with its pseudonym."""
    by_pseudonym = shown.users.user(key.pseudonym(user_id)) if key else None
    return by_pseudonym or shown.users.user(user_id)


def _suggestions(shown: ShownSnapshot, text: str, *, has_key: bool) -> None:
    if not text:
        st.caption("For example, the most typical user of each segment. Click a row to open it.")
        users = cached_queries.examples(shown)
    else:
        users = shown.users.ids_starting_with(text, limit=_MAX_SUGGESTIONS)
        if users.empty:
            advice = "Enter the complete id that your shop uses" if has_key else "Enter the id as it is in the export"
            st.info(
                f"No published user has this id or an id that starts with it. {advice}; upper and lower case matter. "
                "Users without a readable review and erased users are not published.",
                icon=":material/person_off:",
            )
            return
        count = f"The first {len(users)}" if len(users) == _MAX_SUGGESTIONS else f"{len(users):,}"
        st.caption(f"No published user has exactly this id. {count} that start with it; click a row to open it.")
    st.dataframe(
        pd.DataFrame({"Segment": users["segment_id"].map(shown.name), "User": users["user_id"]}),
        hide_index=True,
        key="suggestions",
        on_select=partial(_open, list(users["user_id"])),
        selection_mode="single-row",
        column_config={"Segment": st.column_config.TextColumn(width=170)},
    )


def _open(user_ids: list[str]) -> None:
    rows = st.session_state["suggestions"]["selection"]["rows"]
    if rows and rows[0] < len(user_ids):
        st.session_state["user_id"] = user_ids[rows[0]]


def _user(shown: ShownSnapshot, user: Mapping[str, Any]) -> None:
    left, right = st.columns([3, 2], gap="large")
    features = {name: None if user[name] is None else float(user[name]) for name in FEATURES}
    counts = {column.name: user.get(column.name) for column in SCORING_COLUMNS}
    with left:
        show_user_score(shown, scored_user({**features, **counts}, shown.model), key="found")
    with right:
        st.markdown("**Compared with the segment and all users**")
        profile = shown.profile(user["segment_id"])
        means = {"Segment": {name: profile[name] for name in FEATURES}, "All users": cached_queries.means(shown)}
        feature_table(shown, features, means=means)
        st.page_link("app_pages/segments.py", label="Open the segment", query_params={"segment": user["segment_id"]})
        _history(user, is_first=shown.previous is None)


def _history(user: Mapping[str, Any], *, is_first: bool) -> None:
    """Where the user came from, unless no earlier snapshot says so, and the dates of their first and last review."""
    rows: list[tuple[str, str]] = []
    if isinstance(user["segment_since"], date):
        rows.append(("In this segment since", day(user["segment_since"])))
    if user["change_cause"] == Cause.NEW_USER and not is_first:
        rows.append(("In the previous snapshot", "No: a new user"))
    elif user["previous_segment_name"]:
        rows.append(("In the previous snapshot", str(user["previous_segment_name"])))
        if user["change_cause"]:
            rows.append(("Why it changed", _CAUSES.get(user["change_cause"], "")))
    if user["lifecycle_stage"]:
        rows.append(("Lifecycle stage", str(user["lifecycle_stage"]).capitalize()))
    if user["recency_days"] is not None:
        rows.append(("Last review", f"{int(user['recency_days']):,} days before {day(user['as_of'])}"))
    if user["tenure_days"] is not None:
        rows.append(("First review", f"{int(user['tenure_days']):,} days before {day(user['as_of'])}"))
    if rows:
        st.markdown("**History**")
        html_table(["", ""], rows, text_columns=2)
    if is_first:
        st.caption("Where users came from is known from the second snapshot on.")


page()
