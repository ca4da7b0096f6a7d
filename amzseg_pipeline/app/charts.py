"""The charts, all Plotly: one colour per segment, units on every axis, no label cut off on a narrow screen."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from amzseg_pipeline.app.published import Published
from amzseg_pipeline.app.questions import SegmentMap
from amzseg_pipeline.app.words import FEATURE_WORDS, feature_axis, feature_value, share_of, signed
from amzseg_pipeline.storage.users import Bins

GREY = "#7F8A96"

_WEIGHTY = 0.4
_MOST_TICKS = 12
_CONFIG = {"displayModeBar": False, "scrollZoom": False}
_OUTLINES = {"light": "rgba(30,40,50,.35)", "dark": "rgba(240,244,248,.8)"}
"""Around every mark: the darkest colours of segments have a contrast below 2 on a dark page, and lines carry them."""


def show(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draws a figure; `alt` says in a sentence what it shows."""
    st.plotly_chart(figure, key=key, config=_CONFIG, alt=alt)


def profile_figure(published: Published, selected: str) -> go.Figure:
    """The centre of every segment per feature, in standard deviations from the average customer."""
    names = [feature.name for feature in published.model.scaling.features]
    labels = [FEATURE_WORDS[name].label for name in names]
    figure = _figure(height=120 + 62 * len(names))
    for segment in sorted(published.model.segments, key=lambda each: each.segment_id == selected):
        is_selected = segment.segment_id == selected
        figure.add_scatter(
            x=segment.centroid,
            y=labels,
            mode="markers",
            name=segment.name,
            marker={
                "color": published.colours[segment.segment_id],
                "size": 17 if is_selected else 12,
                "line": {"color": _outline(), "width": 1},
                "opacity": 1 if is_selected else 0.6,
            },
            hovertemplate="%{y}: %{x:+.1f} sd<extra>" + segment.name + "</extra>",
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_yaxes(autorange="reversed", showgrid=True, automargin=True)
    figure.update_xaxes(title="sd from the average customer", zeroline=False)
    return _legend_below(figure)


def distribution_figure(
    published: Published, feature: str, *, bins: Bins, counts: pd.DataFrame, selected: str
) -> go.Figure:
    """How a feature is distributed in each segment, the selected one filled."""
    figure = _figure(height=360)
    edges = np.array(bins.edges)
    for segment_id in sorted(published.segment_ids, key=lambda each: each == selected):
        of_segment = counts[counts["segment_id"] == segment_id].set_index("bin")["users"]
        share = of_segment.reindex(range(bins.count), fill_value=0) / max(int(of_segment.sum()), 1)
        is_selected = segment_id == selected
        colour = published.colours[segment_id]
        _add_line(
            figure,
            np.repeat(edges, 2),
            np.concatenate(([0], np.repeat(share, 2), [0])),
            colour=colour,
            width=3 if is_selected else 1.8,
            mode="lines",
            name=published.name(segment_id),
            fill="tozeroy" if is_selected else None,
            fillcolor=_faded(colour, 0.45 if _is_dark() else 0.25),
            hovertemplate="%{y:.0%} of its users<extra>" + published.name(segment_id) + "</extra>",
        )
    figure.update_yaxes(title="share of the segment's users", tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(title=feature_axis(feature, published.currency), showgrid=False)
    if bins.is_log:
        figure.update_xaxes(type="log", **_log_ticks(feature, published.currency, bins))
    return _legend_below(figure)


def map_figure(published: Published, found: SegmentMap, selected: str) -> go.Figure:
    """A sample of users and the centres of segments in the two directions in which users differ most."""
    figure = _figure(height=460)
    ids = np.array(found.segment_ids)
    for segment_id in sorted(published.segment_ids, key=lambda each: each == selected):
        of_segment = found.users[ids == segment_id]
        is_selected = segment_id == selected
        figure.add_scattergl(
            x=of_segment[:, 0],
            y=of_segment[:, 1],
            mode="markers",
            name=published.name(segment_id),
            marker={
                "color": published.colours[segment_id],
                "size": 7 if is_selected else 6,
                "opacity": 0.85 if is_selected else 0.45,
                "line": {"color": _outline(), "width": 0.6},
            },
            hoverinfo="skip",
        )
    for place, segment in enumerate(published.model.segments):
        figure.add_scatter(
            x=[found.centres[place, 0]],
            y=[found.centres[place, 1]],
            mode="markers",
            showlegend=False,
            marker={
                "color": published.colours[segment.segment_id],
                "size": 18,
                "symbol": "diamond",
                "line": {"color": "white", "width": 2.5},
            },
            hovertemplate=f"centre of {segment.name}<extra></extra>",
        )
    for axis, place in (("x", 0), ("y", 1)):
        values = np.concatenate((found.users[:, place], found.centres[:, place]))
        low, high = np.quantile(values, [0.005, 0.995]) if len(values) else (-1.0, 1.0)
        room = 0.08 * max(high - low, 1e-6)
        figure.update_layout(
            {
                f"{axis}axis": {
                    "range": [low - room, high + room],
                    "showticklabels": False,
                    "showgrid": False,
                    "zeroline": False,
                }
            }
        )
    return _legend_below(figure)


def drivers_figure(published: Published, contributions: Mapping[str, float], *, user: Mapping[str, float | None],
                   segment_id: str, second_id: str, most: int = 3) -> go.Figure:  # fmt: skip
    """The features that decided a user's segment, the strongest first, and the sum of the others."""
    strongest = sorted(contributions, key=lambda name: -abs(contributions[name]))
    labels = [
        f"{FEATURE_WORDS[name].label}<br>{feature_value(name, user.get(name), currency=published.currency)}"
        for name in strongest[:most]
    ]
    values = [contributions[name] for name in strongest[:most]]
    if others := strongest[most:]:
        labels.append(_joined([FEATURE_WORDS[name].label.lower() for name in others]).capitalize())
        values.append(sum(contributions[name] for name in others))
    figure = _figure(height=110 + 54 * len(values))
    figure.add_bar(
        x=values,
        y=labels,
        orientation="h",
        marker={
            "color": [published.colours[segment_id if value >= 0 else second_id] for value in values],
            "line": {"color": _outline(), "width": 1},
        },
        text=[signed(value, decimals=2) for value in values],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.28 * max(high - low, 1e-9)
    figure.update_xaxes(
        range=[low - room if low < 0 else -0.03 * room, high + room], showticklabels=False, zeroline=True, title=""
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(margin={"t": 8, "b": 8}, bargap=0.45)
    return figure


def lines_figure(x: Sequence[object], series: Mapping[str, Sequence[float | None]], *, colours: Mapping[str, str],
                 x_title: str, y_title: str, y_format: str = "") -> go.Figure:  # fmt: skip
    """One line per name."""
    figure = _figure(height=320)
    for name, values in series.items():
        marker = {"size": 8, "line": {"color": _outline(), "width": 1}}
        _add_line(figure, x, values, colour=colours[name], width=2.5, mode="lines+markers", name=name, marker=marker)
    figure.update_xaxes(title=x_title, dtick=1 if len(x) <= _MOST_TICKS else None)
    figure.update_yaxes(title=y_title, tickformat=y_format)
    return _legend_below(figure) if len(series) > 1 else figure


def _figure(*, height: int) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        hovermode="closest",
        dragmode=False,
        showlegend=False,
    )
    return figure


def _add_line(figure: go.Figure, x: Any, y: Any, *, colour: str, width: float, **trace: Any) -> None:
    """A line in a segment's colour; on a dark page a light casing under it keeps the darkest ones visible."""
    if _is_dark():
        casing = {"color": _outline(), "width": width + 2.4}
        figure.add_scatter(x=x, y=y, mode="lines", line=casing, opacity=0.6, showlegend=False, hoverinfo="skip")
    figure.add_scatter(x=x, y=y, line={"color": colour, "width": width}, **trace)


def _legend_below(figure: go.Figure) -> go.Figure:
    figure.update_layout(
        showlegend=True,
        legend={
            "orientation": "h",
            "yanchor": "bottom",
            "y": 1.02,
            "x": 0,
            "itemclick": False,
            "traceorder": "reversed",
        },
    )
    return figure


def _log_ticks(feature: str, currency: str | None, bins: Bins) -> dict[str, list[object]]:
    low, high = bins.edges[0], bins.edges[-1]
    ticks = [step * 10.0**power for power in range(-2, 16) for step in (1, 2, 5) if low <= step * 10.0**power <= high]
    if len(ticks) > 6:
        ticks = [tick for tick in ticks if str(f"{tick:e}").startswith(("1.", "1e"))] or ticks[::3]
    return {
        "tickvals": list(ticks),
        "ticktext": [feature_value(feature, t, currency=currency, unit=False) for t in ticks],
    }


def direction_words(found: SegmentMap, published: Published, place: int) -> str:
    """What grows and shrinks along a direction of the map, and how much of the differences it shows."""
    weights = found.directions.axes[place]
    names = [feature.name for feature in published.model.scaling.features]
    weighty = [i for i in np.argsort(-np.abs(weights)) if abs(weights[i]) >= _WEIGHTY]
    grows, shrinks = (
        _joined([FEATURE_WORDS[names[i]].label.lower() for i in weighty if sign * weights[i] > 0]) for sign in (1, -1)
    )
    words = "; ".join(f"{word} {what}" for word, what in (("more", grows), ("less", shrinks)) if what)
    return f"{words} ({share_of(found.directions.explained[place])} of the differences)" if words else "nothing"


def _joined(words: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _is_dark() -> bool:
    return st.context.theme.type == "dark"


def _outline() -> str:
    return _OUTLINES["dark" if _is_dark() else "light"]


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
