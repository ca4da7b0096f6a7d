"""One published user, found by id: segment, since when, where from and why, and their features beside others'."""

from datetime import date
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import cached_queries as questions
from amzseg_pipeline.app.components import small_table
from amzseg_pipeline.app.formatting import day
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.app.user_scoring import show_verdict, verdict
from amzseg_pipeline.app.user_tables import feature_table
from amzseg_pipeline.contracts.history import Cause
from amzseg_pipeline.contracts.scoring import MAX_USER_ID_CHARACTERS
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.steps.pseudonyms import USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import user_key_from_environment

_SUGGESTIONS = 20
_CAUSES = {
    Cause.BEHAVIOUR: "Their behaviour changed.",
    Cause.DATA: "Their reviews or prices were corrected.",
    Cause.MODEL: "The model changed, not their behaviour.",
    Cause.BOTH: "Their behaviour and the model changed.",
}


def page() -> None:
    """Draws the page."""
    shown = page_head("Find a user", "Look up one of the published users by their id.")
    text = st.text_input(
        "User id",
        key="user_id",
        max_chars=MAX_USER_ID_CHARACTERS,
        placeholder="Paste an id, or type how it begins",
        icon=":material/search:",
        autocomplete="off",
    )
    user_id = (text or "").strip()
    key = _key_of(shown)
    user = _found(shown, user_id, key) if user_id else None
    if user is None:
        _suggestions(shown, user_id, has_key=key is not None)
    else:
        _user(shown, user)


def _key_of(shown: Published) -> UserKey | None:
    """The key that the published ids are pseudonyms of, where the app has it; where it lacks it, that is said."""
    key_id = shown.snapshot.user_key_id
    if key_id is None:
        return None
    key = user_key_from_environment()
    if key is not None and key.id == key_id:
        st.caption("Ids are published as pseudonyms. The app has their key: type an id as your shop knows it.")
        return key
    lacks = "does not have that key" if key is None else f"has another key, {key.id}"
    st.info(
        f"Ids are published as pseudonyms of key {key_id}, and this app {lacks}: users are found by their pseudonym "
        f"alone. To find them by the id of your shop, whoever runs the app sets {USER_KEY_VARIABLE} and starts it "
        "again.",
        icon=":material/key:",
    )
    return None


def _found(shown: Published, user_id: str, key: UserKey | None) -> dict[Any, Any] | None:
    """The user by the id given, or by its pseudonym."""
    by_key = shown.users.user(key.pseudonym(user_id)) if key else None
    return by_key or shown.users.user(user_id)


def _suggestions(shown: Published, text: str, *, has_key: bool) -> None:
    if not text:
        st.caption("For example, the most typical user of each segment. Click a row to open it.")
        found = questions.examples(shown)
    else:
        found = shown.users.ids_starting_with(text, most=_SUGGESTIONS)
        if found.empty:
            whole = "Give the whole id as your shop knows it" if has_key else "Ids are as the export gives them"
            st.info(
                f"No published user has this id, and none begins so. {whole}; capital letters matter. Users without a "
                "review that can be read are not published.",
                icon=":material/person_off:",
            )
            return
        count = f"The first {len(found)} of them:" if len(found) == _SUGGESTIONS else f"{len(found):,} of them:"
        st.caption(f"No published user has exactly this id, but some begin so. {count} Click a row to open it.")
    st.dataframe(
        pd.DataFrame({"User": found["user_id"], "Segment": found["segment_id"].map(shown.name)}),
        hide_index=True,
        key="suggestions",
        on_select=partial(_open, list(found["user_id"])),
        selection_mode="single-row",
        column_config={"User": st.column_config.TextColumn(width=290)},
    )


def _open(user_ids: list[str]) -> None:
    rows = st.session_state["suggestions"]["selection"]["rows"]
    if rows and rows[0] < len(user_ids):
        st.session_state["user_id"] = user_ids[rows[0]]


def _user(shown: Published, user: dict[str, Any]) -> None:
    about, features = st.columns([3, 2], gap="large")
    values = {name: None if user[name] is None else float(user[name]) for name in FEATURES}
    counts = {column.name: user.get(column.name) for column in SCORING_COLUMNS}
    with about:
        show_verdict(shown, verdict({**values, **counts}, shown.model), key="found")
    with features:
        st.markdown("**Beside the segment and everyone**")
        profile = shown.profile(user["segment_id"])
        means = {"Segment": {name: profile[name] for name in FEATURES}, "All users": questions.means(shown)}
        feature_table(shown, values, means=means)
        _past(shown, user)


def _past(shown: Published, user: dict[str, Any]) -> None:
    """Where the user came from, and where they are in their life as a customer: what the snapshot knows of it."""
    rows: list[tuple[str, str]] = []
    if isinstance(user.get("segment_since"), date):
        rows.append(("In this segment since", day(user["segment_since"])))
    if user.get("change_cause") == Cause.NEW_USER:
        rows.append(("In the snapshot before", "Not there: a new user"))
    elif user.get("previous_segment_name"):
        rows.append(("In the snapshot before", str(user["previous_segment_name"])))
        if user.get("change_cause"):
            rows.append(("Why it changed", _CAUSES.get(user["change_cause"], "")))
    if user.get("lifecycle_stage"):
        rows.append(("Stage", str(user["lifecycle_stage"]).capitalize()))
    if user.get("recency_days") is not None:
        rows.append(("Last review", f"{int(user['recency_days']):,} days before {day(user['as_of'])}"))
    if user.get("tenure_days") is not None:
        rows.append(("First review", f"{int(user['tenure_days']):,} days before {day(user['as_of'])}"))
    if rows:
        st.markdown("**History**")
        small_table(["", ""], rows, texts=2)
    if "previous_segment_id" not in shown.columns("segment_assignments"):
        st.caption("This snapshot does not tell where users came from; those of contract 1.1 and later do.")
    elif user.get("segment_since") is None:
        st.caption("Where users came from is known from the second snapshot on.")


page()
