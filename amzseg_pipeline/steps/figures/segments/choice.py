"""Inertia and silhouettes: the number of segments and how well they are separated."""

import textwrap

import numpy as np

from amzseg_pipeline.contracts.model import KChoice
from amzseg_pipeline.presentation.formatting import counted, percent, sampled
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.segments.data import SegmentData
from amzseg_pipeline.steps.figures.style import (
    ACCENT,
    INK,
    canvas,
    count_axis,
    integer_axis,
    marked_point,
    spread_apart,
)

_SILHOUETTE_USERS = 3_000
_MISPLACED_SHARE = 0.05
_WELL_SEPARATED = 0.5
_LABEL_SHARE = 0.078
_NOTE_CHARACTERS = 110


def elbow(data: SegmentData) -> Plot | NotApplicable:
    """Inertia by the number of segments."""
    choice = data.model.choice
    inertias = {evidence.k: evidence.inertia for evidence in choice.evidence}
    if len(inertias) < 3 or choice.k not in inertias or not inertias.get(1, 0) > 0:
        return NotApplicable("inertia was measured for fewer than three numbers of segments")
    title = f"The curve bends at {choice.knee} segments" if choice.knee else "The curve has no clear bend"
    figure, axes = canvas(title, note=_rule(choice))
    axes.plot(list(inertias), list(inertias.values()), "o-", color=ACCENT, linewidth=2.2, markersize=7)
    axes.set(xlabel="number of segments (k)", ylabel="inertia (squared sd)", ylim=(0, None))
    marked_point(axes, choice.k, inertias[choice.k], f"chosen: {choice.k}")
    integer_axis(axes.xaxis)
    count_axis(axes.yaxis)
    one_cluster_inertia = inertias[1]
    explained, further = 1 - inertias[choice.k] / one_cluster_inertia, inertias.get(choice.k + 1)
    more = (
        ""
        if further is None
        else f", one more would explain another {percent((inertias[choice.k] - further) / one_cluster_inertia)}"
    )
    advice = (
        "further segments explain less, so plan for this many campaigns"
        if choice.k == choice.knee
        else "this curve alone did not decide, so judge the number by the silhouettes too"
    )
    finding = f"{counted(choice.k, 'segment')} explain {percent(explained)} of the variance between users"
    caption = f"{finding}{more}: {advice}."
    return Plot(title, caption, figure)


def silhouette_by_k(data: SegmentData) -> Plot | NotApplicable:
    """The mean silhouette by the number of segments."""
    choice = data.model.choice
    measured = {evidence.k: evidence.silhouette for evidence in choice.evidence if evidence.silhouette is not None}
    if len(measured) < 2 or choice.k not in measured:
        return NotApplicable("silhouettes were measured for fewer than two numbers of segments")
    # The range in which k was chosen, so that the title agrees with the rules of evidence_for_k.
    allowed = [k for k in measured if choice.limits is None or choice.limits.k_min <= k <= choice.limits.k_max]
    allowed = allowed if choice.k in allowed else list(measured)
    best = max(allowed, key=measured.__getitem__)
    chosen = measured[choice.k]
    title = f"Of {allowed[0]} to {allowed[-1]} segments, {best} are best separated: silhouette {measured[best]:.2f}"
    figure, axes = canvas(title, note=_rule(choice))
    axes.plot(list(measured), list(measured.values()), "o-", color=ACCENT, linewidth=2.2, markersize=7)
    axes.margins(x=0.1, y=0.25)
    axes.set(xlabel="number of segments (k)", ylabel="mean silhouette (1: well separated)")
    marked_point(axes, choice.k, chosen, f"chosen: {choice.k}")
    integer_axis(axes.xaxis)
    advice = (
        "segments overlap, so treat users near a border as either"
        if chosen < _WELL_SEPARATED
        else "segments are well separated, so campaigns can differ clearly"
    )
    of_best = "the best value" if choice.k == best else f"{percent(chosen / measured[best])} of the best, at k = {best}"
    caption = f"The {counted(choice.k, 'segment')} chosen reach {chosen:.2f} of at most 1, {of_best}: {advice}."
    return Plot(title, caption, figure)


def silhouette_by_user(data: SegmentData) -> Plot | NotApplicable:
    """The silhouette of every user of a sample, sorted within segments."""
    labels = data.sample["segment_id"].head(_SILHOUETTE_USERS).to_numpy()
    points = data.scaled.head(_SILHOUETTE_USERS).to_numpy()
    if not 2 <= len(set(labels)) < len(labels):
        return NotApplicable("there is one segment only")
    from sklearn.metrics import silhouette_samples

    widths = silhouette_samples(points, labels)
    means = {segment: float(widths[labels == segment].mean()) for segment in sorted(set(labels))}
    clearest, weakest = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    title = f"{data.names[clearest]} are separated best, {data.names[weakest]} least"
    figure, axes = canvas(title, note=sampled(len(labels), data.users, "user"), height=4.8)
    start, gap = 0, len(labels) // 50 + 1
    middles = []
    for segment in means:
        drawn = np.sort(widths[labels == segment])[::-1]
        rows = np.arange(start, start + len(drawn) + 1)
        axes.fill_betweenx(rows, 0, np.append(drawn, drawn[-1]), color=data.colours[segment], linewidth=0, step="post")
        middles.append(start + len(drawn) / 2)
        start += len(drawn) + gap
    overall = float(widths.mean())
    axes.axvline(overall, color=INK, linestyle="--", linewidth=1.2)
    axes.annotate(f"mean {overall:.2f}", (overall, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom")
    axes.set(xlabel="silhouette (1: well inside, below 0: closer to another segment)", ylabel="users, by segment")
    axes.set(yticks=[], ylim=(start, -gap))
    axes.grid(axis="y", visible=False)
    for segment, position in zip(means, spread_apart(middles, min_gap=_LABEL_SHARE * start), strict=True):
        axes.annotate(
            f"{data.names[segment]} ({means[segment]:.2f})", (1, position), xycoords=("axes fraction", "data"),
            xytext=(8, 0), textcoords="offset points", va="center", color=INK, fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": data.colours[segment], "boxstyle": "round,pad=0.2"},
        )  # fmt: skip
    misplaced = float((widths < 0).mean())
    advice = (
        "exclude them from offers that suit only one segment"
        if misplaced >= _MISPLACED_SHARE
        else "nearly all users can be addressed by their segment"
    )
    scope = "" if len(labels) == data.users else f"Sample of {counted(len(labels), 'user')}. "
    caption = (
        f"{scope}The mean silhouette is {means[clearest]:.2f} for {data.names[clearest]} and {means[weakest]:.2f} for "
        f"{data.names[weakest]}, and {percent(misplaced)} of users are closer to another segment: {advice}."
    )
    return Plot(title, caption, figure)


def _rule(choice: KChoice) -> str:
    return textwrap.fill(f"k = {choice.k}: {choice.rule}", _NOTE_CHARACTERS)
