"""Elements of every chart: an empty figure, lines and outlines visible on light and dark pages, a legend."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

GREY = "#7F8A96"
AXIS_TEXT = {"light": "#4A5563", "dark": "#B4BEC9"}
"""Streamlit's own colour of axes has a contrast below 4.5."""

_CONFIG = {"displayModeBar": False, "scrollZoom": False}
_OUTLINES = {"light": "rgba(30,40,50,.35)", "dark": "rgba(240,244,248,.8)"}
"""Around every mark: the darkest segment colours have a contrast below 2 on a dark page."""


def show(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draws a figure with readable axes; `alt` is its description for screen readers."""
    text = {"color": AXIS_TEXT["dark" if is_dark() else "light"]}
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont=text, title={"font": text})
    figure.update_traces(outsidetextfont=text, selector={"type": "bar"})
    st.plotly_chart(figure, key=key, config=_CONFIG, alt=alt)


def blank_figure(*, height: int) -> go.Figure:
    """An empty figure `height` pixels tall, without toolbar and zoom."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        dragmode=False,
        showlegend=False,
    )
    return figure


def add_line(figure: go.Figure, x: Any, y: Any, *, colour: str, width: float, **trace: Any) -> None:
    """Adds a line in a segment's colour; on a dark page a light casing keeps dark colours visible."""
    if is_dark():
        casing = {"color": outline(), "width": width + 2.4}
        figure.add_scatter(x=x, y=y, mode="lines", line=casing, opacity=0.6, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=y, line={"color": colour, "width": width}, **trace)


def with_legend(figure: go.Figure) -> go.Figure:
    """The figure with its legend above it."""
    figure.update_layout(
        showlegend=True,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "x": 0,
            "itemclick": False,
            "itemdoubleclick": False,
        },
    )
    return figure


def outline() -> str:
    """The colour around marks in the current theme."""
    return _OUTLINES["dark" if is_dark() else "light"]


def is_dark() -> bool:
    """Whether the page uses the dark theme."""
    return st.context.theme.type == "dark"


def faded(colour: str, opacity: float) -> str:
    """`colour` (`#rrggbb`) with an opacity of 0 to 1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
