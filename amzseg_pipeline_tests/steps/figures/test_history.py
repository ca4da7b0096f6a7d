"""The figures over nights: what they say against the tables, and what is not drawn for want of nights."""

from datetime import date, timedelta

import pandas as pd
import pytest

from amzseg_pipeline.contracts.history import DRIFT_COLUMNS, NO_SEGMENT, PSI_COLUMNS
from amzseg_pipeline.contracts.promotion import Drift, DriftFigure
from amzseg_pipeline.steps.figures import facts, history_gallery
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.history import DRAWINGS, HistoryData
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline_tests.steps.figures.made_up import assert_fit_to_show

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
DEARER = {**QUIET, "psi_avg_spend": 0.61, "psi_shares": 0.2}


def migrations(ways: list[tuple[str, str, str, int]]) -> pd.DataFrame:
    rows = [(start, NAMES[start], end, NAMES[end], cause, users) for start, end, cause, users in ways]
    ends = [f"{side}_segment_{part}" for side in ("from", "to") for part in ("id", "name")]
    return pd.DataFrame(rows, columns=[*ends, "cause", "users"])


def history(shares: list[dict[str, float]], psi: list[dict[str, float]], versions: str = "") -> pd.DataFrame:
    """A row per night and segment; snapshot 3 was given up, so that there is none."""
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
    figures = tuple(DriftFigure(name, value, 0.1, value > 0.1) for name, value in psi.items())
    warnings = tuple(f"PSI of {figure.name} is {figure.value}" for figure in figures if figure.warns)
    return Drift("champion", 1_000, figures, warnings, warnings, "" if figures else "there is no champion yet")


STEADY = [{"S0001": 0.8, "S0002": 0.2}, {"S0001": 0.802, "S0002": 0.198}, {"S0001": 0.801, "S0002": 0.199}]
GROWING = [*STEADY[:2], {"S0001": 0.7, "S0002": 0.26, "S0004": 0.04}]


def run_day(moves=MOVED, shares=STEADY, psi=({}, QUIET, QUIET), versions="") -> HistoryData:
    return HistoryData(migrations([*STAYED, *moves]), history(shares, list(psi), versions), drift_of(psi[-1]))


FIRST_RUN = HistoryData(migrations(FIRST), history(STEADY[:1], [{}]), drift_of({}))


def drawn(name: str, data: HistoryData) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data)
    assert isinstance(plot, Plot), plot
    assert_fit_to_show(plot)
    return plot


@pytest.mark.parametrize(
    ("moves", "title", "told"),
    [
        (
            MOVED,
            "15 of 1,010 users moved, most from Casual Buyers to Premium Loyalists",
            "994 users of 1,010 stayed, 15 moved by what they did and 0 by another model; 30 are new and 1 left: "
            "campaigns can go on",
        ),
        (
            BY_MODEL,
            "45 of 1,039 users moved, most from Casual Buyers to Delighted One-Timers",
            "0 moved by what they did and 45 by another model; 0 are new and 0 left: compare figures of tonight",
        ),
        ([("S0001", "S0002", "behaviour", 99)], "99 of 1,093 users moved", "take tonight's lists"),
        ([], "Nobody moved: all 994 users of the night before are where they were", "0 left: campaigns can go on"),
    ],
)
def test_moves_are_told_with_their_causes(moves, title, told) -> None:
    plot = drawn("segment_moves", run_day(moves))
    assert plot.title.startswith(title)
    assert told in plot.sentence


def test_the_heatmap_writes_users_and_shares_of_a_row_and_colours_moves_alone() -> None:
    plot = drawn("segment_moves", run_day())
    axes = plot.figure.axes[0]
    written = {
        (round(text.get_position()[1] - 0.5), round(text.get_position()[0] - 0.5)): text.get_text()
        for text in axes.texts
    }
    assert written[0, 0] == "800\n98.5 %"
    assert written[0, 1] == "12\n1.5 %"
    assert written[3, 0] == "30\n100 %"
    assert written[2, 1] == "0"
    coloured = axes.collections[0].get_array()
    assert int((~coloured.mask).sum()) == 3
    assert [label.get_text() for label in axes.get_yticklabels()][-1] == "new users"
    assert [label.get_text() for label in axes.get_xticklabels()][-1] == "left"


@pytest.mark.parametrize(
    ("shares", "title", "told"),
    [
        (STEADY, "Shares are steady over 3 nights", "budgets split by share can stay"),
        (GROWING, "Casual Buyers went from 80 % to 70 % of users over 3 nights", "look at Casual Buyers first"),
    ],
)
def test_shares_are_told_over_all_nights(shares, title, told) -> None:
    plot = drawn("shares_over_nights", run_day(shares=shares, versions="aab"))
    assert plot.title.startswith(title)
    assert told in plot.sentence
    axes = plot.figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "4"]
    assert [text.get_text() for text in axes.texts].count("new model") == 1
    assert {NAMES[segment] for segment in shares[-1]} <= {text.get_text() for text in axes.texts}


def test_drift_is_told_with_its_limit() -> None:
    quiet, dearer = (drawn("drift_over_nights", run_day(psi=({}, QUIET, psi))) for psi in (QUIET, DEARER))
    assert quiet.title.startswith("Nothing drifts")
    assert "the model still fits" in quiet.sentence
    assert dearer.title == "Mean price paid drifts: PSI 0.61 tonight, and 0.10 warns"
    assert "a challenger is due, for PSI of psi_avg_spend is 0.61" in dearer.sentence
    assert "warns above 0.10" in {text.get_text() for text in dearer.figure.axes[0].texts}


def test_a_first_night_has_nothing_to_draw_and_says_so() -> None:
    found = history_gallery(FIRST_RUN)
    assert found.plots == ()
    assert {missing.name: (missing.reason, missing.is_fault) for missing in found.missing} == {
        "segment_moves": ("this is the first night: there is none before to compare it with", False),
        "shares_over_nights": ("there is one night only", False),
        "drift_over_nights": ("drift was measured on fewer than two nights", False),
    }
    told = facts.history_facts(FIRST_RUN.history, FIRST_RUN.drift)
    assert told == {"Nights": "1, the first of 2026-01-01", "Drift": "there is no champion yet"}


def test_a_year_of_nights_shows_the_last_sixty() -> None:
    data = run_day(shares=STEADY[:1] * 365, psi=[QUIET] * 365)
    axes = drawn("shares_over_nights", data).figure.axes[0]
    assert len(axes.lines[0].get_xdata()) == 60
    assert len(axes.get_xticks()) <= 12
    with drawing_style():
        assert not isinstance(DRAWINGS["drift_over_nights"](data), NotApplicable)


def test_nights_of_an_older_contract_without_drift_leave_that_plot_out() -> None:
    with drawing_style():
        assert isinstance(DRAWINGS["drift_over_nights"](run_day(psi=({}, {}, QUIET))), NotApplicable)
