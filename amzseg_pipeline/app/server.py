"""The ASGI application: the pages, downloads of segments and, if it is on, the HTTP API. `make app` runs it."""

from pathlib import Path

import streamlit as st
from starlette.routing import Route

from amzseg_pipeline.app.http_api import api_routes
from amzseg_pipeline.app.segment_downloads import PATH, segment_response


def hosts() -> list[str]:
    """The addresses and host names under which the configuration lets others reach the server."""
    names = [st.get_option("server.address") or "0.0.0.0", *(st.get_option("server.allowedHosts") or ())]
    return sorted(set(names))


app = st.App(Path(__file__).with_name("main.py"), routes=[Route(PATH, segment_response), *api_routes(hosts())])
