"""Pages of the app in a simulated session, and the text on them."""

import re
from collections.abc import Iterator
from pathlib import Path

from streamlit.testing.v1 import AppTest

import amzseg_pipeline.app

MAIN = Path(amzseg_pipeline.app.__file__).parent / "main.py"
PAGES = tuple(path.stem for path in sorted((MAIN.parent / "app_pages").glob("[a-z]*.py")))

_TEXT_ELEMENTS = ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success")
_LABELLED_ELEMENTS = (
    "button",
    "download_button",
    "expander",
    "number_input",
    "text_input",
    "selectbox",
    "file_uploader",
)


def opened(page: str = "overview") -> AppTest:
    """A new session that has opened `page`; snapshots that earlier sessions opened stay cached."""
    session = AppTest.from_file(str(MAIN), default_timeout=60).run()
    return session if page == "overview" else session.switch_page(f"app_pages/{page}.py").run()


def prose(session: AppTest) -> str:
    """All text on the page outside st.dataframe and code."""
    return "\n".join(_texts(session))


def one_line(session: AppTest) -> str:
    """The prose with single spaces."""
    return " ".join(prose(session).split())


def errors(session: AppTest) -> list[str]:
    """Error messages and exceptions on the page."""
    return [element.value for element in (*session.error, *session.exception)]


def heading(session: AppTest, level: int = 2) -> str:
    """The first HTML heading of a level."""
    return next(element.value for element in session.html if f"<h{level}" in element.value)


def _texts(session: AppTest) -> Iterator[str]:
    for name in _TEXT_ELEMENTS:
        for element in getattr(session, name):
            yield str(element.value)
    for element in session.html:
        yield re.sub(r"<style>.*?</style>|<[^>]+>", " ", element.value, flags=re.DOTALL)
    for element in session.metric:
        yield f"{element.label} {element.value} {element.delta}"
    for name in _LABELLED_ELEMENTS:
        for element in getattr(session, name):
            yield str(element.label)
