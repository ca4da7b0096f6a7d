"""The plots of the run that published the snapshot, each with what it shows."""

from pathlib import Path
from typing import Any

import streamlit as st

from amzseg_pipeline.app.formatting import plain, spoken
from amzseg_pipeline.app.page_header import page_head
from amzseg_pipeline.storage.data_root import data_root_from_environment
from amzseg_pipeline.storage.serving.plots import REPORT_FILE, plots_of

_PNG = b"\x89PNG\r\n\x1a\n"
_GROUPS = {"reviews": "Reviews", "users": "Users", "segments": "Segments", "history": "Nights"}


def page() -> None:
    """Draws the page."""
    shown = page_head("Plots", "What the run that published this snapshot saw in the data.")
    artifacts = data_root_from_environment().artifacts
    try:
        document = plots_of(artifacts, shown.snapshot.run_id)
    except (OSError, ValueError):
        st.warning(
            "The plots of this run cannot be read. The segments do not rest on them; the next run draws them again.",
            icon=":material/broken_image:",
        )
        return
    if document is None or not document["plots"]:
        st.info(
            "The run that published this snapshot has drawn no plots, or they have been cleared away. They are drawn "
            "beside the segments and never hold them up; the next run draws them again.",
            icon=":material/insert_chart:",
        )
        return
    folder = artifacts / shown.snapshot.run_id
    groups = [group for group in _GROUPS if any(plot["group"] == group for plot in document["plots"])]
    chosen = st.segmented_control(
        "Plots of",
        groups,
        default=groups[0],
        required=True,
        format_func=lambda group: _GROUPS[group],
        key="plots",
        bind="query-params",
        label_visibility="collapsed",
    )
    _gallery(folder, [plot for plot in document["plots"] if plot["group"] == chosen])
    _missing([each for each in document.get("missing", ()) if each["group"] == chosen])
    report = folder / REPORT_FILE
    if report.is_file():
        st.download_button(
            "Download the report of the run",
            report.read_bytes,
            file_name=f"report-snapshot-{shown.snapshot.sequence}.html",
            mime="text/html",
            on_click="ignore",
            icon=":material/download:",
            help="All plots and their sentences on one page that needs no network.",
            key="report",
        )


def _gallery(folder: Path, plots: list[dict[str, Any]]) -> None:
    """Each picture bears its title, so that only its sentence stands below it."""
    with st.grid(2, min_column_width=330, border=True, gap="medium") as grid:
        for plot in plots:
            path = folder / plot["file"]
            with grid.cell():
                image = _png(path) if path.resolve().is_relative_to(folder.resolve()) else None
                if image:
                    st.image(image, alt=plot["title"], width="stretch")
                else:
                    st.markdown(f"**{plain(plot['title'])}**")
                    st.caption("The picture has been cleared away or cannot be read.")
                st.caption(plain(plot["sentence"]))


def _png(path: Path) -> bytes | None:
    try:
        image = path.read_bytes()
    except OSError:
        return None
    return image if image.startswith(_PNG) else None


def _missing(missing: list[dict[str, Any]]) -> None:
    if missing:
        with st.expander(f"Not drawn: {len(missing)}"):
            failed = "drawing it failed; the log of the run says why"
            lines = (f"{spoken(each['name'])}: {failed if each['is_fault'] else each['reason']}" for each in missing)
            st.markdown("\n".join(f"- {plain(line)}" for line in lines))


page()
