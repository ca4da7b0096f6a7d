"""Shareable links: the segment or user of a page in the query of its URL."""

import streamlit as st


def linked(name: str) -> str | None:
    """The value of a query parameter."""
    return st.query_params.get(name) or None


def set_link(name: str, value: str | None) -> None:
    """Puts a value into the URL of the page, or removes it."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != value:
        st.query_params[name] = value
