"""Plotly charts: one colour per segment, units on every axis, readable on a phone."""

from amzseg_pipeline.app.charts.canvas import GREY, show
from amzseg_pipeline.app.charts.distributions import distribution_figure
from amzseg_pipeline.app.charts.lines import lines_figure
from amzseg_pipeline.app.charts.maps import direction_description, map_figure
from amzseg_pipeline.app.charts.portraits import drivers_figure, profile_figure

__all__ = [
    "GREY",
    "direction_description",
    "distribution_figure",
    "drivers_figure",
    "lines_figure",
    "map_figure",
    "profile_figure",
    "show",
]
