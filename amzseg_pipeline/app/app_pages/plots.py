"""The plots of the run that published the snapshot, each with a caption on what it shows."""

from pathlib import Path
from typing import Any

import streamlit as st

from amzseg_pipeline.app.page_header import page_header
from amzseg_pipeline.presentation.formatting import markdown_escaped, sentence_case
from amzseg_pipeline.storage.data_root import data_root_from_environment
from amzseg_pipeline.storage.serving.plots import REPORT_FILE, plots_of

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GROUPS = {"reviews": "Reviews", "users": "Users", "segments": "Segments", "history": "History"}


def page() -> None:
    """Draws the page."""
    shown = page_header("Plots", "The data of the run that published this snapshot.")
    artifacts = data_root_from_environment().artifacts
    try:
        document = plots_of(artifacts, shown.snapshot.run_id)
    except (OSError, ValueError):
        st.warning(
            "The plots of this run cannot be read. The segments do not depend on them; the next run renders new plots.",
            icon=":material/broken_image:",
        )
        return
    if document is None or not document["plots"]:
        st.info(
            "The run that published this snapshot rendered no plots, or they were deleted. Plots are optional; the "
            "next run renders new ones.",
            icon=":material/insert_chart:",
        )
        return
    folder = artifacts / shown.snapshot.run_id
    groups = [group for group in _GROUPS if any(plot["group"] == group for plot in document["plots"])]
    selected = st.segmented_control(
        "Plots of",
        groups,
        default=groups[0],
        required=True,
        format_func=lambda group: _GROUPS[group],
        key="plots",
        bind="query-params",
        label_visibility="collapsed",
    )
    _gallery(folder, [plot for plot in document["plots"] if plot["group"] == selected])
    _missing_plots([plot for plot in document.get("missing", ()) if plot["group"] == selected])
    report = folder / REPORT_FILE
    if report.is_file():
        st.download_button(
            "Download the report of the run",
            report.read_bytes,
            file_name=f"report-snapshot-{shown.snapshot.sequence}.html",
            mime="text/html",
            on_click="ignore",
            icon=":material/download:",
            help="All plots with their captions on one page that works offline.",
            key="report",
        )


def _gallery(folder: Path, plots: list[dict[str, Any]]) -> None:
    """The images; a title is part of its image, so only the caption is written below."""
    with st.grid(2, min_column_width=330, border=True, gap="medium") as grid:
        for plot in plots:
            path = folder / plot["file"]
            with grid.cell():
                image = _png(path) if path.resolve().is_relative_to(folder.resolve()) else None
                if image:
                    st.image(image, alt=plot["title"], width="stretch")
                else:
                    st.markdown(f"**{markdown_escaped(plot['title'])}**")
                    st.caption("The image was deleted or cannot be read.")
                st.caption(markdown_escaped(plot["caption"]))


def _png(path: Path) -> bytes | None:
    try:
        image = path.read_bytes()
    except OSError:
        return None
    return image if image.startswith(_PNG_SIGNATURE) else None


def _missing_plots(plots: list[dict[str, Any]]) -> None:
    if not plots:
        return
    with st.expander(f"Not rendered: {len(plots)}"):
        lines = [
            f"{sentence_case(plot['name'])}: "
            + ("rendering failed; the log of the run has the reason" if plot["is_fault"] else plot["reason"])
            for plot in plots
        ]
        st.markdown("\n".join(f"- {markdown_escaped(line)}" for line in lines))


page()
