"""Plots over runs: titles and captions against the tables, and what a first run skips."""

from datetime import date, timedelta

import pandas as pd
import pytest

from amzseg_pipeline.contracts.history import DRIFT_COLUMNS, NO_SEGMENT, PSI_COLUMNS
from amzseg_pipeline.contracts.promotion import Drift, DriftMeasure
from amzseg_pipeline.steps.figures import facts, history_gallery
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.history import DRAWINGS, HistoryData
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline_tests.steps.figures.synthetic import assert_presentable

NAMES = {
    "S0001": "Casual Buyers",
    "S0002": "Premium Loyalists",
    "S0004": "Delighted One-Timers",
    NO_SEGMENT: NO_SEGMENT,
}
STAYED = [("S0001", "S0001", "stayed", 800), ("S0002", "S0002", "stayed", 190), ("S0004", "S0004", "stayed", 4)]
MOVED = [
    ("S0001", "S0002", "behaviour", 12),
    ("S0002", "S0001", "behaviour", 3),
    ("S0002", NO_SEGMENT, "left", 1),
    (NO_SEGMENT, "S0001", "new user", 30),
]
BY_MODEL = [("S0001", "S0004", "model", 40), ("S0001", "S0004", "both", 5)]
FIRST = [(NO_SEGMENT, "S0001", "new user", 900), (NO_SEGMENT, "S0002", "new user", 100)]
QUIET = dict.fromkeys((*PSI_COLUMNS, "psi_shares"), 0.004)
EXPENSIVE = {**QUIET, "psi_avg_spend": 0.61, "psi_shares": 0.2}


def migrations(ways: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    rows = [(start, NAMES[start], end, NAMES[end], cause, users) for start, end, cause, users in ways]
    ends = [f"{side}_segment_{part}" for side in ("from", "to") for part in ("id", "name")]
    return pd.DataFrame(rows, columns=[*ends, "cause", "users"])


def history(shares: list[dict[str, float]], psi: list[dict[str, float]], versions: str = "") -> pd.DataFrame:
    """A row per run and segment; snapshot 3 does not exist."""
    sequences = [sequence for sequence in range(1, len(shares) + 2) if sequence != 3]
    rows = [
        {
            "sequence": sequences[run_day],
            "segment_id": segment,
            "segment_name": NAMES[segment],
            "as_of": date(2026, 1, 1) + timedelta(run_day),
            "share": share,
            "model_version": versions[run_day] if versions else "a",
            **dict.fromkeys(column.name for column in DRIFT_COLUMNS),
            **psi[run_day],
        }
        for run_day in range(len(shares))
        for segment, share in shares[run_day].items()
    ]
    return pd.DataFrame(rows)


def drift_of(psi: dict[str, float]) -> Drift:
    figures = tuple(DriftMeasure(name, value, 0.1, value > 0.1) for name, value in psi.items())
    warnings = tuple(f"PSI of {figure.name} is {figure.value}" for figure in figures if figure.warns)
    return Drift("champion", 1_000, figures, warnings, warnings, "" if figures else "there is no champion yet")


STEADY = [{"S0001": 0.8, "S0002": 0.2}, {"S0001": 0.802, "S0002": 0.198}, {"S0001": 0.801, "S0002": 0.199}]
GROWING = [*STEADY[:2], {"S0001": 0.7, "S0002": 0.26, "S0004": 0.04}]


def history_data(moves=MOVED, shares=STEADY, psi=({}, QUIET, QUIET), versions="") -> HistoryData:
    return HistoryData(migrations([*STAYED, *moves]), history(shares, list(psi), versions), drift_of(psi[-1]))


FIRST_RUN = HistoryData(migrations(FIRST), history(STEADY[:1], [{}]), drift_of({}))


def drawn(name: str, data: HistoryData) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data)
    assert isinstance(plot, Plot), plot
    assert_presentable(plot)
    return plot


@pytest.mark.parametrize(
    ("moves", "title", "caption"),
    [
        (
            MOVED,
            "15 of 1,010 users moved, most from Casual Buyers to Premium Loyalists",
            "994 users of 1,010 stayed, 15 moved because of their behaviour and 0 because of a new model; 30 are new "
            "and 1 left: campaigns can keep",
        ),
        (
            BY_MODEL,
            "45 of 1,039 users moved, most from Casual Buyers to Delighted One-Timers",
            "0 moved because of their behaviour and 45 because of a new model; 0 are new and 0 left: numbers before",
        ),
        ([("S0001", "S0002", "behaviour", 99)], "99 of 1,093 users moved", "update campaign lists"),
        ([], "No user moved: all 994 users of the previous run are in the same segment", "0 left: campaigns can keep"),
    ],
)
def test_moves_are_described_with_their_causes(moves, title, caption) -> None:
    plot = drawn("segment_moves", history_data(moves))
    assert plot.title.startswith(title)
    assert caption in plot.caption


def test_heatmap_annotates_users_and_shares_and_colours_only_moves() -> None:
    plot = drawn("segment_moves", history_data())
    axes = plot.figure.axes[0]
    written = {
        (round(text.get_position()[1] - 0.5), round(text.get_position()[0] - 0.5)): text.get_text()
        for text in axes.texts
    }
    assert written[0, 0] == "800\n98.5%"
    assert written[0, 1] == "12\n1.5%"
    assert written[3, 0] == "30\n100%"
    assert written[2, 1] == "0"
    assert plot.figure.axes == [axes]
    coloured = axes.collections[0].get_array()
    assert int((~coloured.mask).sum()) == 3
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "new users"
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "left"


@pytest.mark.parametrize(
    ("shares", "title", "caption"),
    [
        (STEADY, "Shares are stable over 3 runs", "budgets split by share can stay"),
        (GROWING, "Casual Buyers went from 80% to 70% of users over 3 runs", "look at Casual Buyers first"),
    ],
)
def test_shares_are_described_over_all_runs(shares, title, caption) -> None:
    plot = drawn("shares_over_runs", history_data(shares=shares, versions="aab"))
    assert plot.title.startswith(title)
    assert caption in plot.caption
    axes = plot.figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    assert [text.get_text() for text in axes.texts].count("new model") == 1
    assert {NAMES[segment] for segment in shares[-1]} <= {text.get_text() for text in axes.texts}


def test_drift_is_described_with_its_limit() -> None:
    quiet, drifting = (drawn("drift_over_runs", history_data(psi=({}, QUIET, psi))) for psi in (QUIET, EXPENSIVE))
    assert quiet.title.startswith("No drift")
    assert "the model still fits" in quiet.caption
    assert drifting.title == "Mean price paid drifts: PSI 0.61, above the limit of 0.10"
    assert "a challenger is trained because PSI of psi_avg_spend is 0.61" in drifting.caption
    assert "warns above 0.10" in {text.get_text() for text in drifting.figure.axes[0].texts}


def test_first_run_skips_all_plots_with_reasons() -> None:
    found = history_gallery(FIRST_RUN)
    assert found.plots == ()
    assert {missing.name: (missing.reason, missing.is_fault) for missing in found.missing} == {
        "segment_moves": ("this is the first run: there is no previous one to compare with", False),
        "shares_over_runs": ("there is only one run", False),
        "drift_over_runs": ("drift was measured in fewer than two runs", False),
    }
    shown = facts.history_facts(FIRST_RUN.history, FIRST_RUN.drift)
    assert shown == {"Runs": "1, the first on 2026-01-01", "Drift": "there is no champion yet"}


def test_long_history_shows_the_last_sixty_runs() -> None:
    long_history = history_data(shares=STEADY[:1] * 365, psi=[QUIET] * 365)
    axes = drawn("shares_over_runs", long_history).figure.axes[0]
    assert len(axes.lines[0].get_xdata()) == 60
    assert len(axes.get_xticks()) <= 12
    with drawing_style():
        assert not isinstance(DRAWINGS["drift_over_runs"](long_history), NotApplicable)


def test_runs_without_measured_drift_skip_that_plot() -> None:
    with drawing_style():
        assert isinstance(DRAWINGS["drift_over_runs"](history_data(psi=({}, {}, QUIET))), NotApplicable)
