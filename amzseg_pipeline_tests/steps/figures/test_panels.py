"""Colour scales of density plots."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from amzseg_pipeline.steps.figures.images import png_image
from amzseg_pipeline.steps.figures.panels import density
from amzseg_pipeline.steps.figures.style import drawing_style


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(1, {"1"}), (3, {"1", "2"}), (60, {"1", "2", "5", "10", "20", "50"}), (3_000, {"1", "10", "100", "1k"})],
)
def test_density_scale_has_few_ticks_with_plain_numbers(most: int, ticks: set[str]) -> None:
    x = np.concatenate(([0.5], np.full(most, 1.5)))
    with drawing_style():
        figure = Figure()
        axes = figure.subplots()
        density(axes, x, x, counts=np.ones(len(x)), log=(False, False), bins=([0, 1, 2], [0, 1, 2]))
        assert png_image(figure)
        scale = next(each for each in figure.axes if each is not axes).yaxis
        low, high = sorted(scale.get_view_interval())
        shown = {tick.label1.get_text() for tick in (*scale.get_major_ticks(), *scale.get_minor_ticks())
                 if tick.label1.get_text() and low <= tick.get_loc() <= high}  # fmt: skip
    assert shown == ticks
