"""Segment profiles: sizes, features, and differences from all users."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import counted, percent
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS, feature_axis_title, feature_value
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.panels import Box, bars, boxes, heatmap
from amzseg_pipeline.steps.figures.segments.data import SegmentData
from amzseg_pipeline.steps.figures.style import canvas, count_axis, feature_axis
from amzseg_pipeline.steps.segments.features.scaling import in_standard_deviations

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_SD_SHOWN = 3.0
_COLUMNS = 3
_NAME_CHARACTERS = 14


def segment_sizes(data: SegmentData) -> Plot | NotApplicable:
    """Users per segment."""
    ranked = data.profiles.sort_values(["users", "segment_id"], ascending=[False, True])
    if ranked.empty:
        return NotApplicable("no segment has users")
    largest, smallest = ranked.iloc[0], ranked[ranked["users"] > 0].iloc[-1]
    title = f"{largest['segment_name']} are the largest segment: {percent(float(largest['share']))} of users"
    figure, axes = canvas(title, note=counted(data.users, "user"), height=1.8 + 0.55 * len(ranked))
    labels = [f"{users:,} ({percent(share)})" for users, share in zip(ranked["users"], ranked["share"], strict=True)]
    colours = [data.colours[segment] for segment in ranked["segment_id"]]
    bars(axes, dict(zip(ranked["segment_name"], ranked["users"], strict=True)), labels, colours=colours)
    axes.set(xlabel="users", ylabel="")
    axes.margins(x=0.28)
    count_axis(axes.xaxis)
    advice = (
        f"use the first for reach ({largest['strategy']}) and treat the last individually ({smallest['strategy']})"
        if len(ranked) > 1
        else str(largest["strategy"])
    )
    least = f", {smallest['segment_name']} {int(smallest['users']):,}" if len(ranked) > 1 else ""
    caption = f"{largest['segment_name']} are {counted(int(largest['users']), 'user')}{least}: {advice}."
    return Plot(title, caption, figure)


def segment_profile(data: SegmentData) -> Plot | NotApplicable:
    """Centroids in standard deviations from the mean of all users."""
    features = [feature.name for feature in data.model.scaling.features]
    if not features or len(data.profiles) < 2:
        return NotApplicable("there is one segment only")
    centroids = {
        segment.segment_id: in_standard_deviations(np.array(segment.centroid), data.model.scaling)
        for segment in data.model.segments
    }
    traits = {segment: int(np.abs(centroids[segment]).argmax()) for segment in data.names}
    special = max(data.names, key=lambda segment: abs(centroids[segment][traits[segment]]))
    farthest = float(centroids[special][traits[special]])
    trait = FEATURE_NOUNS[features[traits[special]]]
    way = "above" if farthest > 0 else "below"
    title = f"{data.names[special]} differ most: {trait} {abs(farthest):.1f} sd {way} the mean"
    figure, axes = canvas(
        title, note=f"centroids of {counted(len(data.names), 'segment')}", height=2.2 + 0.6 * len(data.names)
    )
    table = pd.DataFrame(
        [centroids[segment] for segment in data.names],
        index=list(data.names.values()),
        columns=[FEATURE_NOUNS[feature] for feature in features],
    )
    limit = min(_MAX_SD_SHOWN, abs(farthest))
    heatmap(axes, table, limit=limit, decimals=1, label="sd from the mean\nof all users")
    traits_by_segment = [
        f"{name} by {'high' if centroids[segment][traits[segment]] > 0 else 'low'} "
        f"{FEATURE_NOUNS[features[traits[segment]]]} ({centroids[segment][traits[segment]]:+.1f} sd)"
        for segment, name in data.names.items()
    ]
    return Plot(title, f"{', '.join(traits_by_segment)}: start the campaign of each segment from that feature.", figure)


def features_by_segment(data: SegmentData) -> Plot | NotApplicable:
    """Distributions of each feature by segment."""
    order = [segment for segment in data.names if (data.sample["segment_id"] == segment).any()]
    known = [name for name in FEATURES if data.sample[name].notna().any()]
    if len(order) < 2:
        return NotApplicable("there is one segment only")
    explained = {name: _explained(data.sample[["segment_id", name]].dropna(), name) for name in known}
    separating = max(known, key=explained.__getitem__)
    medians = data.sample.groupby("segment_id")[separating].median()
    high, low = str(medians.idxmax()), str(medians.idxmin())
    title = f"Segments differ most in {FEATURE_NOUNS[separating]}"
    rows = -(-(len(known) + 1) // _COLUMNS)
    figure, axes = canvas(
        title, note=data.note, panels=(rows, _COLUMNS), width=9.6, height=1.2 + rows * (1.2 + 0.28 * len(order))
    )
    panels = list(axes.flat)
    for panel, name in zip(panels, known, strict=False):
        _feature_boxes(panel, data, name, order)
    _name_rows(panels[: len(known)], data)
    for panel in panels[len(known) :]:
        panel.set_axis_off()
    _legend(panels[len(known)], data, order)
    top, bottom = (
        feature_value(separating, float(medians[segment]), currency=data.currency) for segment in (high, low)
    )
    caption = (
        f"{data.scope}{percent(explained[separating])} of the variance of the {FEATURE_NOUNS[separating]} is between "
        f"segments, with a median of {top} for {data.names[high]} and {bottom} for {data.names[low]}: use it first to "
        "target one segment without the others."
    )
    return Plot(title, caption, figure)


def _name_rows(panels: "Sequence[Axes]", data: SegmentData) -> None:
    """Names the segments on the left panel of each row, and on panels whose segments differ from it."""
    first: list[str] = []
    for i, panel in enumerate(panels):
        segments = [label.get_text() for label in panel.get_yticklabels()]
        first = first if i % _COLUMNS else segments
        is_named = segments is first or segments != first
        panel.set_yticklabels(
            [textwrap.fill(data.names[each], _NAME_CHARACTERS) if is_named else "" for each in segments]
        )


def _feature_boxes(axes: "Axes", data: SegmentData, feature: str, segments: list[str]) -> None:
    known = data.sample[["segment_id", feature]].dropna()
    groups = {segment: known.loc[known["segment_id"] == segment, feature].to_numpy() for segment in segments}
    filled = {segment: values for segment, values in groups.items() if len(values)}
    boxes(
        axes,
        {segment: Box.of(values) for segment, values in filled.items()},
        colours=[data.colours[segment] for segment in filled],
    )
    if feature == "avg_spend" and known[feature].min() > 0:
        axes.set_xscale("log")
    axes.set(xlabel=feature_axis_title(feature, data.currency), ylabel="")
    feature_axis(axes.xaxis, feature, data.currency)


def _explained(known: pd.DataFrame, feature: str) -> float:
    """The share of a feature's variance that is between segments (eta squared)."""
    values = known[feature].to_numpy()
    between = known.groupby("segment_id")[feature].transform("mean").to_numpy()
    return float(between.var() / values.var()) if values.var() > 0 else 0.0


def _legend(axes: "Axes", data: SegmentData, segments: list[str]) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=data.colours[segment], label=data.names[segment]) for segment in segments],
        loc="center left",
        title="dot: median, box: middle half,\nwhiskers: 5% to 95%",
        title_fontsize=9,
        alignment="left",
    )
