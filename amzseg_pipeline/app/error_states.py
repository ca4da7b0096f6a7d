"""Error messages in place of a page that cannot be shown: what happened and what to do, without a traceback."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from amzseg_pipeline.contracts.errors import (
    NothingPublished,
    PipelineError,
    SettingsError,
    SnapshotError,
    UnknownContract,
)

_MESSAGES: tuple[tuple[type[PipelineError], str, str], ...] = (
    (NothingPublished, "Nothing is published yet", "Run the pipeline once (make run); this page then loads by itself."),
    (
        UnknownContract,
        "The segments were published by another version",
        "They are intact, but this app does not know their contract. Update the app, then reload the page.",
    ),
    (
        SnapshotError,
        "The published segments are damaged",
        "They are not shown because they may be wrong. Send the details below to the operator of the pipeline.",
    ),
    (SettingsError, "A setting is invalid", "Fix it as described below, then reload the page."),
    (PipelineError, "This page cannot be shown", "The details below give the reason and the fix."),
)
"""The first entry whose class matches gives heading and advice."""


@contextmanager
def error_messages() -> Iterator[None]:
    """Shows errors of the block as a message. Unexpected errors are logged and shown without details."""
    try:
        yield
    except PipelineError as error:
        _, heading, advice = next(entry for entry in _MESSAGES if isinstance(error, entry[0]))
        st.header(heading, anchor=False)
        if isinstance(error, NothingPublished):
            st.info(advice, icon=":material/inbox:")
        else:
            st.error(advice, icon=":material/report:")
        st.code(str(error), language=None, wrap_lines=True)
    except Exception:
        logging.getLogger(__name__).exception("a page failed")
        st.header("Something went wrong", anchor=False)
        st.error(
            "This page could not be shown. Reload it; if it fails again, the operator of the app finds the reason in "
            "its log.",
            icon=":material/report:",
        )
