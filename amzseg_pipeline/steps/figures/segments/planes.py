"""Scatter plots of users, coloured by segment."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from amzseg_pipeline.presentation.formatting import counted, money, money_unit, percent, sampled
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.segments.data import SegmentData
from amzseg_pipeline.steps.figures.style import INK, canvas, money_axis, percent_axis, spread_apart
from amzseg_pipeline.steps.figures.weighted import Values
from amzseg_pipeline.steps.segments.model import projection as segments

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HEIGHT = 5.4
_MAX_POINTS = 2_000
_OUTSIDE_PERCENT = 0.1
_LABEL_SHARE = 0.085
_AXIS_CHARACTERS = 48
_LEADING_LOADING = 0.6
_MAX_FEATURES = 3
_RELEVANT_SHARE = 0.7


def price_and_discount(data: SegmentData) -> Plot | NotApplicable:
    """Mean price paid against mean discount."""
    users = data.sample[["segment_id", "avg_discount", "avg_spend"]].dropna()
    users = users[users["avg_spend"] > 0].set_axis(["segment_id", "x", "y"], axis=1)
    if users.empty:
        return NotApplicable("no user has both a mean price paid and a mean discount")
    centres = _centres(users)
    highest_discounted = max(centres, key=lambda segment: centres[segment][0])
    highest_spending = max(centres, key=lambda segment: centres[segment][1])
    discount, spend = f"{centres[highest_discounted][0]:.0f}%", money(centres[highest_spending][1], data.currency)
    title = (
        f"Highest median discount: {data.names[highest_discounted]}, {discount}; "
        f"highest median price: {data.names[highest_spending]}, {spend}"
    )
    figure, axes = canvas(title, note=_note(data, len(users)), height=_HEIGHT)
    _points(axes, data, users)
    axes.set(
        yscale="log", xlabel="mean discount (% of list price)", ylabel=f"mean price paid ({money_unit(data.currency)})"
    )
    percent_axis(axes.xaxis)
    money_axis(axes.yaxis, data.currency)
    _name_segments(axes, data, centres)
    advice = (
        "deep discounts and high prices are in different segments, so run separate campaigns"
        if highest_discounted != highest_spending
        else "one segment has both, so offer it expensive products on sale"
    )
    caption = (
        f"{data.scope}Half of {data.names[highest_discounted]} have a mean discount of {discount} or more, and half of "
        f"{data.names[highest_spending]} a mean price of {spend} or more: {advice}."
    )
    return Plot(title, caption, figure)


def projection(data: SegmentData) -> Plot | NotApplicable:
    """The first two principal components of the scaled features."""
    matrix = data.scaled.to_numpy()
    if matrix.shape[1] < 2 or len(matrix) < 3:
        return NotApplicable("fewer than two features differ between users")
    plane = segments.projection(matrix)
    scores = segments.projected(matrix, plane)
    names = [FEATURE_NOUNS[feature.name] for feature in data.model.scaling.features]
    directions = [_direction(axis, names) for axis in plane.axes]
    shown = sum(plane.explained)
    title = f"Two directions show {percent(shown)} of the variance between users"
    low, high = np.percentile(scores, [_OUTSIDE_PERCENT, 100 - _OUTSIDE_PERCENT], axis=0)
    padding = 0.1 * (high - low)
    outside = int(((scores < low - padding) | (scores > high + padding)).any(axis=1).sum())
    beyond = f", {counted(outside, 'user')} beyond the frame" if outside else ""
    figure, axes = canvas(title, note=_note(data, len(scores)) + beyond, height=_HEIGHT)
    users = pd.DataFrame({"segment_id": data.sample["segment_id"].to_numpy(), "x": scores[:, 0], "y": scores[:, 1]})
    _points(axes, data, users)
    axes.set(
        xlabel=_wrapped(directions[0], plane.explained[0]),
        ylabel=_wrapped(directions[1], plane.explained[1]),
        xlim=(low[0] - padding[0], high[0] + padding[0]),
        ylim=(low[1] - padding[1], high[1] + padding[1]),
    )
    _name_segments(axes, data, _centres(users))
    advice = (
        "segments that overlap here do overlap"
        if shown >= _RELEVANT_SHARE
        else "segments that overlap here may differ in other directions, so compare their profiles"
    )
    caption = (
        f"{data.scope}The plot shows {percent(shown)} of the variance of the scaled features, most of it, "
        f"{percent(plane.explained[0])}, in the direction of {directions[0]}: {advice}."
    )
    return Plot(title, caption, figure)


def _direction(loadings: Values, names: list[str]) -> str:
    """The features with the largest loadings of a component, at most three, largest first."""
    order = np.argsort(-np.abs(loadings), kind="stable")
    leading = [i for i in order if abs(loadings[i]) >= _LEADING_LOADING * abs(loadings[order[0]])]
    return ", ".join(f"{'higher' if loadings[i] > 0 else 'lower'} {names[i]}" for i in leading[:_MAX_FEATURES])


def _wrapped(direction: str, share: float) -> str:
    """The wrapped label of an axis; unit and share stay on one line."""
    return textwrap.fill(f"{direction} " + f"(sd; {percent(share)})".replace(" ", "\u00a0"), _AXIS_CHARACTERS)


def _note(data: SegmentData, users: int) -> str:
    shown = min(users, _MAX_POINTS)
    return f"points: {sampled(shown, data.users, 'user')}; large dots: medians"


def _centres(users: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """The median of each segment."""
    medians = users.groupby("segment_id")[["x", "y"]].median()
    return {str(segment): (float(x), float(y)) for segment, x, y in medians.itertuples()}


def _points(axes: "Axes", data: SegmentData, users: pd.DataFrame) -> None:
    """Draws the first users in sample order, so no segment covers the others."""
    import seaborn

    seaborn.scatterplot(
        users.head(_MAX_POINTS), x="x", y="y", hue="segment_id", palette=data.colours, ax=axes, s=20, alpha=0.55,
        linewidth=0, legend=False,
    )  # fmt: skip


def _name_segments(axes: "Axes", data: SegmentData, centres: dict[str, tuple[float, float]]) -> None:
    """Draws a large dot at the centre of each segment with its name; names do not overlap."""
    inside = axes.transAxes.inverted()
    positions = {segment: inside.transform(axes.transData.transform(centre)) for segment, centre in centres.items()}
    heights = spread_apart([position[1] for position in positions.values()], min_gap=_LABEL_SHARE)
    for (segment, (x, y)), height in zip(positions.items(), heights, strict=True):
        colour = data.colours[segment]
        axes.scatter(
            [x], [y], s=150, color=colour, edgecolor="white", linewidth=2.2, zorder=3, transform=axes.transAxes
        )
        axes.annotate(
            data.names[segment],
            (x, y),
            xycoords="axes fraction",
            xytext=(x + 0.035 if x < 0.6 else x - 0.035, height),
            textcoords="axes fraction",
            ha="left" if x < 0.6 else "right",
            va="center",
            color=INK,
            fontweight="bold",
            bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": colour, "boxstyle": "round,pad=0.25"},
            arrowprops={"arrowstyle": "-", "color": colour, "shrinkA": 0, "shrinkB": 5},
        )
