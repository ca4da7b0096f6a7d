"""Users and segments flattened to two directions, and what the directions mean."""

import numpy as np
import plotly.graph_objects as go

from amzseg_pipeline.app.cached_queries import SegmentMap
from amzseg_pipeline.app.charts.canvas import blank_figure, is_dark, joined, outline, with_legend
from amzseg_pipeline.app.formatting import FEATURE_WORDS, share_of
from amzseg_pipeline.app.published_snapshot import Published

_WEIGHTY = 0.4


def map_figure(published: Published, found: SegmentMap, selected: str) -> go.Figure:
    """A sample of users and the centres of segments in the two directions in which users differ most."""
    figure = blank_figure(height=460)
    ids = np.array(found.segment_ids)
    for segment_id in sorted(published.segment_ids, key=lambda each: each == selected):
        of_segment = found.users[ids == segment_id]
        is_selected = segment_id == selected
        figure.add_scattergl(
            x=of_segment[:, 0],
            y=of_segment[:, 1],
            mode="markers",
            showlegend=False,
            marker={
                "color": published.colours[segment_id],
                "size": 7 if is_selected else 5,
                "opacity": 0.9 if is_selected else 0.7,
                "line": {"color": outline(), "width": 0.8 if is_dark() else 0.4},
            },
            hoverinfo="skip",
        )
    for place, segment in enumerate(published.model.segments):
        figure.add_scatter(
            x=[found.centres[place, 0]],
            y=[found.centres[place, 1]],
            mode="markers",
            name=segment.name,
            legendrank=published.segment_ids.index(segment.segment_id),
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
        low, high = (values.min(), values.max()) if len(values) else (-1.0, 1.0)
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
    return with_legend(figure)


def direction_words(found: SegmentMap, published: Published, place: int) -> str:
    """What grows and shrinks along a direction of the map, and how much of the differences it shows."""
    weights = found.directions.axes[place]
    names = [feature.name for feature in published.model.scaling.features]
    weighty = [i for i in np.argsort(-np.abs(weights)) if abs(weights[i]) >= _WEIGHTY]
    grows, shrinks = (
        joined([FEATURE_WORDS[names[i]].label.lower() for i in weighty if sign * weights[i] > 0]) for sign in (1, -1)
    )
    words = "; ".join(f"{word} {what}" for word, what in (("more", grows), ("less", shrinks)) if what)
    return f"{words} ({share_of(found.directions.explained[place])} of the differences)" if words else "nothing"
