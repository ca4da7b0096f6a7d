"""The app's entry: its pages, and what is said when one cannot be shown. `make app` runs it."""

import streamlit as st

from amzseg_pipeline.app.published import watch_for_newer
from amzseg_pipeline.app.troubles import in_words

PAGES = (
    ("overview", "Overview", ":material/donut_small:"),
    ("segments", "Segments", ":material/groups:"),
    ("score_user", "Score a user", ":material/person_add:"),
    ("find_user", "Find a user", ":material/person_search:"),
    ("score_file", "Score a file", ":material/upload_file:"),
    ("plots", "Plots", ":material/insert_chart:"),
    ("about", "About the data", ":material/fact_check:"),
)
"""File in app_pages/ (and path in the address), title, icon."""

st.set_page_config(page_title="Customer segments", page_icon=":material/donut_small:", layout="wide")

page = st.navigation(
    [
        st.Page(f"app_pages/{name}.py", title=title, icon=icon, url_path=name, default=name == "overview")
        for name, title, icon in PAGES
    ],
    position="top",
)
with in_words():
    page.run()
watch_for_newer()
