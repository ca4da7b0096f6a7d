"""The app as a server: its pages, and segments as files beside them. `make app` runs it."""

from pathlib import Path

import streamlit as st
from starlette.routing import Route

from amzseg_pipeline.app.segment_downloads import PATH, segment_response

app = st.App(Path(__file__).with_name("main.py"), routes=[Route(PATH, segment_response)])
