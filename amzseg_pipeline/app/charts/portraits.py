"""Segments feature by feature, and the features that decided a user's."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from amzseg_pipeline.app.charts.canvas import GREY, blank_figure, faded, joined, outline, with_legend
from amzseg_pipeline.app.formatting import FEATURE_WORDS, feature_value, signed
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.steps.segments.features.scaling import in_standard_deviations

_LANES = 0.6
"""Part of a feature's row over which its segments are spread, so that none hides another."""


def profile_figure(published: Published, selected: str) -> go.Figure:
    """The centre of every segment per feature, in standard deviations from the average customer."""
    names = [feature.name for feature in published.model.scaling.features]
    labels = [FEATURE_WORDS[name].label for name in names]
    figure = blank_figure(height=120 + 66 * len(names))
    ranks = {segment_id: rank for rank, segment_id in enumerate(published.segment_ids)}
    lane = _LANES / max(len(ranks) - 1, 1)
    for segment in sorted(published.model.segments, key=lambda each: each.segment_id == selected):
        is_selected = segment.segment_id == selected
        rank = ranks[segment.segment_id]
        figure.add_scatter(
            x=in_standard_deviations(np.array(segment.centroid), published.model.scaling),
            y=[row + lane * (rank - (len(ranks) - 1) / 2) for row in range(len(names))],
            mode="markers",
            name=segment.name,
            legendrank=rank,
            marker={
                "color": published.colours[segment.segment_id],
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
    figure.update_xaxes(title="sd from the average customer", zeroline=False)
    return with_legend(figure)


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
        labels.append(joined([FEATURE_WORDS[name].label.lower() for name in others]).capitalize())
        values.append(sum(contributions[name] for name in others))
    figure = blank_figure(height=110 + 54 * len(values))
    figure.add_bar(
        x=values,
        y=labels,
        orientation="h",
        marker={
            "color": [published.colours[segment_id if value >= 0 else second_id] for value in values],
            "line": {"color": outline(), "width": 1},
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
