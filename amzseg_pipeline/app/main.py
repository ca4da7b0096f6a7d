"""The Streamlit script: navigation, page configuration and error messages. server.py serves it."""

import streamlit as st

from amzseg_pipeline.app.components import page_style
from amzseg_pipeline.app.error_states import error_messages
from amzseg_pipeline.app.published_snapshot import watch_for_newer
from amzseg_pipeline.presentation.colours import SEGMENT_COLOURS

PAGES = (
    ("overview", "Overview"),
    ("segments", "Segments"),
    ("score_user", "Score a user"),
    ("find_user", "Find a user"),
    ("score_file", "Score a file"),
    ("plots", "Plots"),
    ("about", "About the data"),
)
"""File in app_pages/ (also the URL path) and title. There are no icons: Streamlit loads them from another host."""

_ARC = '<circle cx="16" cy="16" r="11" stroke="{}" pathLength="100" stroke-dasharray="{} {}" stroke-dashoffset="-{}"/>'
_ARCS = ((48, 0), (30, 50), (16, 82))
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" fill="none" stroke-width="8">'
    + "".join(
        _ARC.format(colour, length, 100 - length, offset)
        for colour, (length, offset) in zip(SEGMENT_COLOURS, _ARCS, strict=False)
    )
    + "</svg>"
)

page = st.navigation(
    [st.Page(f"app_pages/{name}.py", title=title, url_path=name, default=name == "overview") for name, title in PAGES],
    position="top",
)
st.set_page_config(page_title=f"{page.title} – Customer segments", page_icon=_ICON, layout="wide")
page_style(is_dark=st.context.theme.type == "dark")
with error_messages():
    page.run()
watch_for_newer()
