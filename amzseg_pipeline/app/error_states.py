"""What is said when a page cannot be shown, or shows what is old: what it is, and what to do. Never a trace."""

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

_HEADINGS: tuple[tuple[type[PipelineError], str, str], ...] = (
    (NothingPublished, "Nothing is published yet", "Run the pipeline once (make run); this page then fills itself."),
    (
        UnknownContract,
        "The segments were published by another version",
        "Nothing is wrong with them, but this app does not know their contract. Update the app, then reload the page.",
    ),
    (
        SnapshotError,
        "The published segments are damaged",
        "They are not shown, because they could be wrong. Tell whoever runs the pipeline; the details are below.",
    ),
    (SettingsError, "A setting cannot be read", "Mend it as the details say, then reload the page."),
    (PipelineError, "This cannot be shown", "The details say why, and what to do."),
)


@contextmanager
def in_words() -> Iterator[None]:
    """Turns errors of the block into a message; what nobody expected goes to the log alone."""
    try:
        yield
    except PipelineError as error:
        _, heading, advice = next(entry for entry in _HEADINGS if isinstance(error, entry[0]))
        icon = ":material/inbox:" if isinstance(error, NothingPublished) else ":material/report:"
        st.header(heading, anchor=False)
        (st.info if isinstance(error, NothingPublished) else st.error)(advice, icon=icon)
        st.code(str(error), language=None, wrap_lines=True)
    except Exception:
        logging.getLogger(__name__).exception("a page could not be shown")
        st.header("Something went wrong", anchor=False)
        st.error(
            "This page could not be shown. Reload it; if it happens again, whoever runs the app finds the reason in "
            "its log.",
            icon=":material/report:",
        )
