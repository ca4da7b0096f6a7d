"""The header of every page: title, purpose, and the snapshot that the page shows."""

import streamlit as st

from amzseg_pipeline.app.published_snapshot import ShownSnapshot, age_of, shown_snapshot, stale_after
from amzseg_pipeline.presentation.formatting import age, moment


def page_header(title: str, purpose: str) -> ShownSnapshot:
    """Draws the header and returns the snapshot to show.

    Raises:
        SnapshotError: no snapshot can be shown.
    """
    st.title(title, anchor=False)
    shown = shown_snapshot()
    snapshot, snapshot_age = shown.snapshot, age_of(shown)
    st.caption(f"{purpose}  \nSnapshot {snapshot.sequence} · {moment(snapshot.created)} · {age(snapshot_age)}")
    if snapshot_age > stale_after():
        st.warning(
            f"These segments were published {age(snapshot_age)}; a newer snapshot was expected. They are intact but "
            "may miss recent reviews. The operator of the pipeline finds the failed run in its UI (make ui).",
            icon=":material/schedule:",
        )
    return shown
