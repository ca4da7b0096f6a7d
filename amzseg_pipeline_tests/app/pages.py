"""The app in a simulated browser session: opened on a home, page by page, and what it shows."""

import re
from collections.abc import Iterator
from pathlib import Path

import streamlit as st
from streamlit.testing.v1 import AppTest

import amzseg_pipeline.app

MAIN = Path(amzseg_pipeline.app.__file__).parent / "main.py"
PAGES = tuple(path.stem for path in sorted((MAIN.parent / "app_pages").glob("[a-z]*.py")))


def opened(page: str = "overview") -> AppTest:
    """A session that has opened `page`; what earlier sessions kept is forgotten."""
    st.cache_resource.clear()
    st.cache_data.clear()
    session = AppTest.from_file(str(MAIN), default_timeout=60).run()
    return session if page == "overview" else session.switch_page(f"app_pages/{page}.py").run()


def prose(session: AppTest) -> str:
    """Everything the page says outside tables of data and code, as plain text."""
    return "\n".join(_texts(session))


def errors(session: AppTest) -> list[str]:
    """What the page says in red, exceptions included."""
    return [element.value for element in (*session.error, *session.exception)]


def _texts(session: AppTest) -> Iterator[str]:
    kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")
    for kind in kinds:
        for element in getattr(session, kind):
            yield str(element.value)
    for element in session.html:
        yield re.sub(r"<[^>]+>", " ", element.value)
    for element in session.metric:
        yield f"{element.label} {element.value} {element.delta}"
    for kind in ("button", "download_button", "expander", "number_input", "text_input", "selectbox", "file_uploader"):
        for element in getattr(session, kind):
            yield str(element.label)
