"""The distribution of a feature in each segment."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from amzseg_pipeline.app.charts.canvas import add_line, blank_figure, faded, is_dark, with_legend
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.presentation.labels import feature_axis_title, feature_value
from amzseg_pipeline.storage.serving.snapshot_queries import Bins


def distribution_figure(
    shown: ShownSnapshot, feature: str, *, bins: Bins, counts: pd.DataFrame, selected: str
) -> go.Figure:
    """The histogram of a feature in each segment as shares of its users; the selected segment is filled."""
    figure = blank_figure(height=360)
    edges = np.array(bins.edges)
    for segment_id in sorted(shown.segment_ids, key=lambda each: each == selected):
        of_segment = counts[counts["segment_id"] == segment_id].set_index("bin")["users"]
        share = 100 * of_segment.reindex(range(bins.count), fill_value=0) / max(int(of_segment.sum()), 1)
        is_selected = segment_id == selected
        colour = shown.colours[segment_id]
        add_line(
            figure,
            np.repeat(edges, 2),
            np.concatenate(([0], np.repeat(share, 2), [0])),
            colour=colour,
            width=3 if is_selected else 1.8,
            mode="lines",
            name=shown.name(segment_id),
            fill="tozeroy" if is_selected else None,
            fillcolor=faded(colour, 0.45 if is_dark() else 0.25),
            legendrank=shown.segment_ids.index(segment_id),
            hovertemplate="%{y:.0f}% of its users<extra>" + shown.name(segment_id) + "</extra>",
        )
    figure.update_yaxes(title="share of the segment's users", ticksuffix="%", rangemode="tozero")
    figure.update_xaxes(title=feature_axis_title(feature, shown.currency), showgrid=False)
    if bins.is_log:
        figure.update_xaxes(type="log", **_log_ticks(feature, shown.currency, bins))
    return with_legend(figure)


def _log_ticks(feature: str, currency: str | None, bins: Bins) -> dict[str, list[object]]:
    low, high = bins.edges[0], bins.edges[-1]
    ticks = [step * 10.0**power for power in range(-2, 16) for step in (1, 2, 5) if low <= step * 10.0**power <= high]
    if len(ticks) > 6:
        ticks = [tick for tick in ticks if str(f"{tick:e}").startswith(("1.", "1e"))] or ticks[::3]
    return {
        "tickvals": list(ticks),
        "ticktext": [feature_value(feature, t, currency=currency, unit=False) for t in ticks],
    }
