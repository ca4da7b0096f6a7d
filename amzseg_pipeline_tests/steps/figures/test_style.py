"""Colours, titles and labels."""

from itertools import pairwise

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.presentation.colours import SEGMENT_COLOURS, segment_colours
from amzseg_pipeline.steps.figures.images import png_image
from amzseg_pipeline.steps.figures.style import canvas, drawing_style, money_axis, spread_apart

_TO_SIMULATED = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""Linear RGB to how it looks without a kind of cones (Machado et al. 2009, severity 1)."""


def test_segment_colours_follow_the_order_of_ids():
    assert segment_colours(["S0003", "S0001", "S0002"]) == dict(
        zip(["S0001", "S0002", "S0003"], SEGMENT_COLOURS, strict=False)
    )


def test_segment_keeps_its_colour_when_another_is_removed():
    before, after = segment_colours(["S0001", "S0002", "S0003"]), segment_colours(["S0001", "S0003"])
    assert after == {name: before[name] for name in after}


@given(st.sets(st.integers(1, 9_999), min_size=1, max_size=10))
def test_up_to_ten_segments_have_distinct_colours(numbers):
    colours = segment_colours([f"S{number:04d}" for number in numbers])
    assert len(set(colours.values())) == len(numbers)


@pytest.mark.parametrize("sight", _TO_SIMULATED)
def test_colours_are_distinct_with_colour_blindness(sight):
    seen = [_lab(colour, _TO_SIMULATED[sight]) for colour in SEGMENT_COLOURS]
    gaps = [(_gap(seen[i], seen[j]), max(i, j)) for i in range(10) for j in range(i)]
    assert min(gap for gap, position in gaps if position < 6) > 16
    assert min(gap for gap, _ in gaps) > 12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10), st.floats(0.01, 0.2))
def test_labels_are_spread_apart_and_keep_their_order(positions, min_gap):
    moved = spread_apart(positions, min_gap=min_gap)
    ordered = [moved[i] for i in sorted(range(len(positions)), key=positions.__getitem__)]
    assert all(later - earlier >= min_gap - 1e-9 for earlier, later in pairwise(ordered))


def test_labels_with_enough_space_are_not_moved():
    assert spread_apart([0.1, 0.9, 0.5], min_gap=0.1) == [0.1, 0.9, 0.5]


def test_long_title_is_wrapped_into_balanced_lines():
    title = "Half of all reviews are of products that cost as much as a small car and are loved for it"
    with drawing_style():
        figure, _ = canvas(title, note="")
    lines = figure.get_suptitle().split("\n")
    assert " ".join(lines) == title
    assert len(lines) == 2
    assert min(map(len, lines)) > 0.6 * max(map(len, lines))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(20, 300, ["$30", "$100", "$300"]), (30, 5_000, ["$100", "$1k"]), (0.5, 200_000, ["$1", "$100", "$10k"])],
)
def test_narrow_log_axis_has_several_ticks_that_fit(low, high, ticks):
    with drawing_style():
        figure, axes = canvas("Finding", note="", panels=(2, 3), width=9.6)
        axes[0][0].set(xscale="log", xlim=(low, high))
        money_axis(axes[0][0].xaxis, "USD")
        png_image(figure)
        shown = [text.get_text() for text in axes[0][0].get_xticklabels()]
        inside = [
            label for label, position in zip(shown, axes[0][0].get_xticks(), strict=True) if low <= position <= high
        ]
    assert inside == ticks


def test_style_is_restored_after_drawing():
    before = dict(matplotlib.rcParams)
    with drawing_style():
        assert matplotlib.rcParams["text.parse_math"] is False
    assert dict(matplotlib.rcParams) == before


def _lab(colour, seen_as):
    linear = [_linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5)]
    seen = [min(max(sum(a * b for a, b in zip(row, linear, strict=True)), 0), 1) for row in seen_as]
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    white = (0.9505, 1, 1.089)
    x, y, z = (
        _lightness(sum(a * b for a, b in zip(row, seen, strict=True)) / w) for row, w in zip(to_xyz, white, strict=True)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _lightness(value):
    return value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116


def _gap(first, second):
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5
