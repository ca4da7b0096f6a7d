"""Segment profiles by feature, and the features that decided the segment of a user."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from amzseg_pipeline.app.charts.canvas import GREY, blank_figure, faded, outline, with_legend
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.presentation.formatting import joined, signed
from amzseg_pipeline.presentation.labels import FEATURE_LABELS, feature_value
from amzseg_pipeline.steps.segments.features.scaling import in_standard_deviations

_LANES_HEIGHT = 0.6
"""Part of a feature's row over which segments are spread, so that none hides another."""


def profile_figure(shown: ShownSnapshot, selected: str) -> go.Figure:
    """The centre of every segment per feature, in standard deviations from the average user."""
    names = [feature.name for feature in shown.model.scaling.features]
    labels = [FEATURE_LABELS[name].label for name in names]
    figure = blank_figure(height=120 + 66 * len(names))
    ranks = {segment_id: rank for rank, segment_id in enumerate(shown.segment_ids)}
    lane = _LANES_HEIGHT / max(len(ranks) - 1, 1)
    for segment in sorted(shown.model.segments, key=lambda each: each.segment_id == selected):
        is_selected = segment.segment_id == selected
        rank = ranks[segment.segment_id]
        figure.add_scatter(
            x=in_standard_deviations(np.array(segment.centroid), shown.model.scaling),
            y=[row + lane * (rank - (len(ranks) - 1) / 2) for row in range(len(names))],
            mode="markers",
            name=segment.name,
            legendrank=rank,
            marker={
                "color": shown.colours[segment.segment_id],
                "size": 17 if is_selected else 10,
                "line": {"color": outline(), "width": 1},
            },
            text=labels,
            hovertemplate="%{text}: %{x:+.1f} sd<extra>" + segment.name + "</extra>",
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    for row in range(1, len(names)):
        figure.add_hline(y=row - 0.5, line={"color": faded(GREY, 0.35), "width": 1})
    figure.update_yaxes(
        range=[len(names) - 0.5, -0.5],
        tickvals=list(range(len(names))),
        ticktext=labels,
        showgrid=False,
        automargin=True,
    )
    figure.update_xaxes(title="standard deviations from the average user", zeroline=False)
    return with_legend(figure)


def drivers_figure(
    shown: ShownSnapshot,
    contributions: Mapping[str, float],
    *,
    user: Mapping[str, float | None],
    segment_id: str,
    second_segment_id: str,
    max_features: int = 3,
) -> go.Figure:
    """The features that decided a user's segment, strongest first, and the sum of the others.

    Args:
        shown: the snapshot.
        contributions: what each feature adds to the gap between the two segments, in squared standard deviations.
        user: the user's features.
        segment_id: the user's segment; features in its favour have its colour.
        second_segment_id: the second-best segment; features in its favour have its colour.
        max_features: the number of features with a bar of their own.
    """
    strongest = sorted(contributions, key=lambda name: -abs(contributions[name]))
    labels = [
        f"{FEATURE_LABELS[name].label}<br>{feature_value(name, user.get(name), currency=shown.currency)}"
        for name in strongest[:max_features]
    ]
    values = [contributions[name] for name in strongest[:max_features]]
    if others := strongest[max_features:]:
        labels.append(joined([FEATURE_LABELS[name].label.lower() for name in others]).capitalize())
        values.append(sum(contributions[name] for name in others))
    figure = blank_figure(height=110 + 54 * len(values))
    figure.add_bar(
        x=values,
        y=labels,
        orientation="h",
        marker={
            "color": [shown.colours[segment_id if value >= 0 else second_segment_id] for value in values],
            "line": {"color": outline(), "width": 1},
        },
        text=[signed(value, decimals=2) for value in values],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    low, high = min(0.0, *values), max(0.0, *values)
    padding = 0.28 * max(high - low, 1e-9)
    figure.update_xaxes(
        range=[low - padding if low < 0 else -0.03 * padding, high + padding],
        showticklabels=False,
        zeroline=True,
        title="",
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(margin={"t": 8, "b": 8}, bargap=0.45)
    return figure
