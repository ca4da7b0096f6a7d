"""Line charts of values along steps: snapshots, or numbers of segments."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from amzseg_pipeline.app.charts.canvas import add_line, blank_figure, outline, with_legend

_MAX_TICKS = 12


def lines_figure(
    x: Sequence[object],
    series: Mapping[str, Sequence[float | None]],
    *,
    colours: Mapping[str, str],
    x_title: str,
    y_title: str,
    y_unit: str = "",
) -> go.Figure:
    """One line per name, in the order of `series`.

    Args:
        x: the steps.
        series: the values of each line, one per step.
        colours: the colour of each line.
        x_title: title of the x axis.
        y_title: title of the y axis.
        y_unit: unit of the values; the y axis of values with a unit starts at zero.
    """
    figure = blank_figure(height=320)
    for name, values in series.items():
        marker = {"size": 8, "line": {"color": outline(), "width": 1}}
        add_line(figure, x, values, colour=colours[name], width=2.5, mode="lines+markers", name=name, marker=marker)
    is_numeric = all(isinstance(step, int | float) for step in x)
    figure.update_xaxes(
        title=x_title, dtick=1 if len(x) <= _MAX_TICKS else None, type=None if is_numeric else "category"
    )
    figure.update_yaxes(title=y_title, ticksuffix=y_unit, rangemode="tozero" if y_unit else "normal")
    return with_legend(figure) if len(series) > 1 else figure
