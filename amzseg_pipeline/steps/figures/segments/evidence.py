"""Evidence for the number of segments: each number against the criteria, and the choice of single rules."""

import textwrap
from typing import TYPE_CHECKING

from amzseg_pipeline.contracts.model import KChoice, KEvidence, KLimits
from amzseg_pipeline.presentation.formatting import counted, percent
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.segments.data import SegmentData
from amzseg_pipeline.steps.figures.style import ACCENT, HIGHLIGHT, INK, MUTED, PALE, canvas, integer_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CRITERIA = {
    "prediction_strength": "prediction strength",
    "jaccard": "Jaccard index",
    "silhouette": "silhouette",
    "silhouette_gain": "gain over single-population null",
    "separation": "separation",
    "smallest_share": "smallest segment",
}
"""Field of KLimits -> label of the criterion."""

_RULES = {
    "knee": "knee of the inertia",
    "best_silhouette": "best silhouette",
    "best_calinski_harabasz": "best Calinski-Harabasz",
    "best_davies_bouldin": "best Davies-Bouldin",
    "largest_by_prediction_strength": "prediction strength alone",
    "largest_by_jaccard": "Jaccard index alone",
}
"""Field of KChoice -> label of the rule."""

_BELOW = "#F7DCCB"
_OUT_OF_RANGE = 0.45
_NOTE_CHARACTERS = 110


def evidence_for_k(data: SegmentData) -> Plot | NotApplicable:
    """Each number of segments against the criteria for k, and the number that each single rule would choose."""
    choice = data.model.choice
    measured = [each for each in choice.evidence if each.prediction_strength is not None and each.jaccard is not None]
    if choice.limits is None or len(measured) < 2 or choice.k not in {each.k for each in measured}:
        return NotApplicable("the criteria were measured for fewer than two numbers of segments")
    limits = choice.limits
    passing = [each.k for each in measured if not each.failed_criteria and limits.k_min <= each.k <= limits.k_max]
    title = (
        f"{counted(choice.k, 'segment')} pass every criterion for reproducible segments"
        if choice.k in passing
        else f"{counted(choice.k, 'segment')} are a convention: they fail {_failed(choice, limits)[0][0]}"
    )
    figure, (above, below) = canvas(title, note=_note(choice), panels=(2, 1), height=6.0)
    _draw_criteria(above, measured, limits)
    _draw_rules(below, choice)
    for axes in (above, below):
        axes.set_xlim(measured[0].k - 0.5, measured[-1].k + 0.5)
        axes.axvspan(choice.k - 0.5, choice.k + 0.5, facecolor="none", edgecolor=HIGHLIGHT, linewidth=2.2, zorder=4)
        integer_axis(axes.xaxis)
        axes.grid(axis="y", visible=False)
        axes.tick_params(length=0)
    below.set_xlabel(f"number of segments (k); chosen: {choice.k}")
    return Plot(title, _caption(choice, limits, passing), figure)


def _draw_criteria(axes: "Axes", measured: list[KEvidence], limits: KLimits) -> None:
    for row, test in enumerate(_CRITERIA):
        minimum = getattr(limits, test)
        for evidence in measured:
            value = _value(evidence, test)
            passes = value is not None and value >= minimum
            alpha = 1.0 if limits.k_min <= evidence.k <= limits.k_max else _OUT_OF_RANGE
            axes.barh(row, 0.94, left=evidence.k - 0.47, height=0.88, color=PALE if passes else _BELOW, alpha=alpha)
            axes.annotate(
                "-" if value is None else _formatted(test, value),
                (evidence.k, row),
                ha="center",
                va="center",
                color=INK if passes else HIGHLIGHT,
                fontweight="normal" if passes else "bold",
                alpha=alpha,
            )
    labels = [f"{label}, at least {_formatted(test, getattr(limits, test))}" for test, label in _CRITERIA.items()]
    axes.set_yticks(range(len(_CRITERIA)), labels)
    axes.set_ylim(len(_CRITERIA) - 0.5, -0.5)
    axes.grid(axis="x", visible=False)
    outside = "" if limits.k_min <= measured[0].k else f"; pale: fewer than the {limits.k_min} asked for"
    axes.set_xlabel(f"below its limit: bold, on orange{outside}", color=MUTED, fontsize=8.5)


def _draw_rules(axes: "Axes", choice: KChoice) -> None:
    chosen = [getattr(choice, rule) for rule in _RULES]
    drawn = [(k, row) for row, k in enumerate(chosen) if k is not None]
    axes.scatter([k for k, _ in drawn], [row for _, row in drawn], s=90, color=ACCENT, zorder=3)
    labels = [rule if k is not None else f"{rule} (none)" for rule, k in zip(_RULES.values(), chosen, strict=True)]
    axes.set_yticks(range(len(_RULES)), labels)
    axes.set_ylim(len(_RULES) - 0.5, -0.5)


def _caption(choice: KChoice, limits: KLimits, passing: list[int]) -> str:
    others = sorted({k for rule in _RULES if (k := getattr(choice, rule)) is not None} - {choice.k})
    alone = f"while single rules choose {_listed(others)}" if others else "and every single rule chooses it as well"
    if choice.k in passing:
        passed = (
            f"pass all criteria and {choice.k} is chosen"
            if passing[1:]
            else "is the only number that passes all criteria"
        )
        advice = "the segments are reproducible with other users of the same population"
        return f"{_listed(passing)} {passed}, {alone}: {advice}."
    failed = " and ".join(f"{label} ({value}, at least {minimum})" for label, value, minimum in _failed(choice, limits))
    advice = "test a campaign on a few users first"
    return f"The division into {choice.k} fails {failed}, {alone}: {advice}."


def _failed(choice: KChoice, limits: KLimits) -> list[tuple[str, str, str]]:
    chosen = next(each for each in choice.evidence if each.k == choice.k)
    return [
        (label, "none" if value is None else _formatted(test, value), _formatted(test, getattr(limits, test)))
        for test, label in _CRITERIA.items()
        if (value := _value(chosen, test)) is None or value < getattr(limits, test)
    ]


def _value(evidence: KEvidence, test: str) -> float | None:
    if test != "silhouette_gain":
        value: float | None = getattr(evidence, test)
        return value
    if evidence.silhouette is None or evidence.null_silhouette is None:
        return None
    return evidence.silhouette - evidence.null_silhouette


def _formatted(test: str, value: float) -> str:
    return percent(value) if test == "smallest_share" else f"{value + 0.0:.2f}"


def _listed(numbers: list[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}" if first else last


def _note(choice: KChoice) -> str:
    return textwrap.fill(f"k = {choice.k}: {choice.rule}", _NOTE_CHARACTERS)
