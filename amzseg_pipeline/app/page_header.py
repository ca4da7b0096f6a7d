"""What stands at the top of every page: its title, what it is for, and which snapshot it shows."""

import streamlit as st

from amzseg_pipeline.app.formatting import age, moment
from amzseg_pipeline.app.published_snapshot import Published, age_of, published, stale_after


def page_head(title: str, purpose: str) -> Published:
    """The snapshot the page shows; its head is drawn. Raises SnapshotError where there is none to show."""
    st.title(title, anchor=False)
    shown = published()
    snapshot = shown.snapshot
    st.caption(f"{purpose}  \nSnapshot {snapshot.sequence} · {moment(snapshot.created)} · {age(age_of(shown))}")
    if age_of(shown) > stale_after():
        st.warning(
            f"These segments were published {age(age_of(shown))}, and newer ones were expected. They are whole, but "
            "may miss what happened since. Whoever runs the pipeline sees in its UI (make ui) why no night published.",
            icon=":material/schedule:",
        )
    return shown
