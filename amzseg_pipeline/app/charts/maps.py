"""The map: users and segment centres in two directions, and what the directions mean."""

import numpy as np
import plotly.graph_objects as go

from amzseg_pipeline.app.cached_queries import SegmentMap
from amzseg_pipeline.app.charts.canvas import blank_figure, is_dark, outline, with_legend
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.presentation.formatting import joined, percent
from amzseg_pipeline.presentation.labels import FEATURE_LABELS

_MIN_WEIGHT = 0.4
"""Features with a smaller weight are not named."""


def map_figure(shown: ShownSnapshot, segment_map: SegmentMap, selected: str) -> go.Figure:
    """A sample of users and the segment centres in the two directions in which users differ most."""
    figure = blank_figure(height=460)
    ids = np.array(segment_map.segment_ids)
    for segment_id in sorted(shown.segment_ids, key=lambda each: each == selected):
        of_segment = segment_map.users[ids == segment_id]
        is_selected = segment_id == selected
        figure.add_scattergl(
            x=of_segment[:, 0],
            y=of_segment[:, 1],
            mode="markers",
            showlegend=False,
            marker={
                "color": shown.colours[segment_id],
                "size": 7 if is_selected else 5,
                "opacity": 0.9 if is_selected else 0.7,
                "line": {"color": outline(), "width": 0.8 if is_dark() else 0.4},
            },
            hoverinfo="skip",
        )
    for index, segment in enumerate(shown.model.segments):
        figure.add_scatter(
            x=[segment_map.centres[index, 0]],
            y=[segment_map.centres[index, 1]],
            mode="markers",
            name=segment.name,
            legendrank=shown.segment_ids.index(segment.segment_id),
            marker={
                "color": shown.colours[segment.segment_id],
                "size": 18,
                "symbol": "diamond",
                "line": {"color": "white", "width": 2.5},
            },
            hovertemplate=f"centre of {segment.name}<extra></extra>",
        )
    for column, axis in enumerate("xy"):
        values = np.concatenate((segment_map.users[:, column], segment_map.centres[:, column]))
        low, high = (values.min(), values.max()) if len(values) else (-1.0, 1.0)
        padding = 0.08 * max(high - low, 1e-6)
        figure.update_layout(
            {
                f"{axis}axis": {
                    "range": [low - padding, high + padding],
                    "showticklabels": False,
                    "showgrid": False,
                    "zeroline": False,
                }
            }
        )
    return with_legend(figure)


def direction_description(segment_map: SegmentMap, shown: ShownSnapshot, direction: int) -> str:
    """What is higher and lower along a direction of the map, and the share of the differences it explains."""
    weights = segment_map.projection.axes[direction]
    names = [feature.name for feature in shown.model.scaling.features]
    named = [i for i in np.argsort(-np.abs(weights)) if abs(weights[i]) >= _MIN_WEIGHT]
    growing, shrinking = (
        joined([FEATURE_LABELS[names[i]].label.lower() for i in named if sign * weights[i] > 0]) for sign in (1, -1)
    )
    phrases = [f"{word} {labels}" for word, labels in (("higher", growing), ("lower", shrinking)) if labels]
    explained = percent(segment_map.projection.explained[direction], decimals=1)
    return f"{'; '.join(phrases)} ({explained} of the differences)" if phrases else "nothing"
