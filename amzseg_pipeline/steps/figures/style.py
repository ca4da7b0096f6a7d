"""Style of the plots: fonts, colours, titles, axes with readable units."""

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from amzseg_pipeline.presentation.formatting import compact, compact_money

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

INK = "#222222"
MUTED = "#6B6B6B"
ACCENT = "#0173B2"
HIGHLIGHT = "#C04E00"
PALE = "#C9D9E6"
SEQUENTIAL = "crest"
DIVERGING = "vlag"

_WIDTH_INCHES = 7.2
_TITLE_CHARACTERS_PER_INCH = 8.8
_TICK_INCHES = 0.6
_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#B5B5B5",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.h_pad": 0.07,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "text.color": INK,
    # $ is a currency here; matplotlib would render text between two of them as a formula.
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Applies the plot style while figures are drawn and rendered, then restores the previous settings."""
    import matplotlib
    import seaborn

    style: dict[Any, Any] = {**seaborn.axes_style("whitegrid"), **_STYLE}
    with matplotlib.rc_context(style):
        yield


def canvas(
    title: str, *, note: str, panels: tuple[int, int] = (1, 1), height: float = 4.5, width: float = _WIDTH_INCHES
) -> tuple["Figure", Any]:
    """A figure with title and note, and its axes: one, or an array of `panels`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    figure.suptitle(_balanced(title, width), x=0.012, ha="left")
    figure.supxlabel(note, x=0.988, ha="right", fontsize=8, color=MUTED)
    return figure, figure.subplots(*panels)


def money_axis(axis: "Axis", currency: str | None) -> None:
    """Ticks as ₹500, ₹20k."""
    _format_axis(axis, lambda value: compact_money(value, currency))


def count_axis(axis: "Axis") -> None:
    """Ticks as 500, 20k, at whole numbers."""
    _format_axis(axis, compact, is_integer=True)


def number_axis(axis: "Axis") -> None:
    """Ticks as 3.5."""
    _format_axis(axis, compact)


def percent_axis(axis: "Axis") -> None:
    """Ticks as 20%, of values that are percentages."""
    _format_axis(axis, lambda value: f"{value:g}%")


def feature_axis(axis: "Axis", feature: str, currency: str | None) -> None:
    """Ticks in the unit of the feature."""
    if feature == "avg_spend":
        money_axis(axis, currency)
    elif feature == "avg_discount":
        percent_axis(axis)
    elif feature == "avg_rating":
        number_axis(axis)
    else:
        count_axis(axis)


def integer_axis(axis: "Axis") -> None:
    """Ticks at every integer."""
    from matplotlib.ticker import MultipleLocator

    axis.set_major_locator(MultipleLocator(1))


def marked_line(axes: "Axes", x: float, label: str, *, line: str = "-") -> None:
    """A vertical line with its label at the top, on the side with space."""
    axes.axvline(x, color=HIGHLIGHT, linewidth=1.8, linestyle=line)
    position = axes.transAxes.inverted().transform(axes.transData.transform((x, 0)))[0]
    side = "left" if position < 0.6 else "right"
    axes.annotate(
        label,
        (x, 0.985),
        xycoords=("data", "axes fraction"),
        xytext=(6 if side == "left" else -6, 0),
        textcoords="offset points",
        ha=side,
        va="top",
        color=HIGHLIGHT,
        fontweight="bold",
    )


def marked_point(axes: "Axes", x: float, y: float, label: str) -> None:
    """A highlighted point with its label above."""
    axes.plot([x], [y], "o", color=HIGHLIGHT, markersize=12, markeredgecolor="white", markeredgewidth=1.5, zorder=4)
    axes.annotate(
        label,
        (x, y),
        xytext=(0, 13),
        textcoords="offset points",
        ha="center",
        color=HIGHLIGHT,
        fontweight="bold",
        zorder=5,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1},
    )


def spread_apart(positions: Sequence[float], *, min_gap: float) -> list[float]:
    """The positions, moved as little as needed to leave `min_gap` between neighbours; the order stays.

    Crowded groups spread around their mean.
    """
    order = sorted(range(len(positions)), key=positions.__getitem__)
    groups: list[list[int]] = []
    for i in order:
        groups.append([i])
        while (
            len(groups) > 1 and _first(groups[-1], positions, min_gap) - _last(groups[-2], positions, min_gap) < min_gap
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = list(positions)
    for group in groups:
        for step, i in enumerate(group):
            moved[i] = _first(group, positions, min_gap) + step * min_gap
    return moved


def _first(group: list[int], positions: Sequence[float], min_gap: float) -> float:
    return sum(positions[i] for i in group) / len(group) - (len(group) - 1) * min_gap / 2


def _last(group: list[int], positions: Sequence[float], min_gap: float) -> float:
    return _first(group, positions, min_gap) + (len(group) - 1) * min_gap


def _balanced(title: str, width: float) -> str:
    """The title wrapped into as few lines as fit, of about equal length."""
    limit = round(width * _TITLE_CHARACTERS_PER_INCH)
    title = title.replace(" % off", "\u00a0%\u00a0off").replace(" %", "\u00a0%")
    lines = len(textwrap.wrap(title, limit))
    shortest = next(size for size in range(1, limit + 1) if len(textwrap.wrap(title, size)) <= lines)
    return textwrap.fill(title, max(shortest, len(title) // lines))


def _format_axis(axis: "Axis", text: Callable[[float], str], *, is_integer: bool = False) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    box = axis.axes.get_window_extent()
    pixels = box.width if axis is axis.axes.xaxis else box.height
    max_ticks = max(int(pixels / axis.axes.figure.dpi / _TICK_INCHES), 2)
    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=_steps_of_decades(*sorted(axis.get_view_interval()), most=max_ticks)))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(min(max_ticks + 1, 7), steps=[1, 2, 2.5, 5, 10], integer=is_integer))


def _steps_of_decades(low: float, high: float, *, most: int) -> tuple[float, ...]:
    """The multiples of powers of ten to label, as many as fit into `most` ticks."""
    for steps in ((1.0, 2.0, 5.0), (1.0, 3.0)):
        exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        if sum(low <= step * 10.0**exponent <= high for exponent in exponents for step in steps) <= most:
            return steps
    return (1.0,)
