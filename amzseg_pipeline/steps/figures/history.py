"""Plots over runs: migrations since the previous run, segment shares, and drift from the reference."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from amzseg_pipeline.contracts.history import NO_SEGMENT, PSI_COLUMNS, Cause
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.presentation.formatting import counted, percent
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS
from amzseg_pipeline.steps.figures.gallery import Gallery, NotApplicable, Plot, gallery
from amzseg_pipeline.steps.figures.style import HIGHLIGHT, INK, MUTED, SEQUENTIAL, canvas, percent_axis, spread_apart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_RUNS = 60
_MAX_TICKS = 12
_STABLE_SHARE = 0.02
_STABLE_POINTS = 0.01
_LABEL_SHARE = 0.062
_LABEL_CHARACTERS = 12
_UNCHANGED = "#EFEFEF"
_PSI_NAMES = {**{f"psi_{name}": FEATURE_NOUNS[name] for name in FEATURES}, "psi_shares": "segments' shares"}
_PSI_COLOURS = dict(zip(_PSI_NAMES, ("#0173B2", "#DE8F05", "#882255", "#56B4E9", "#029E73", INK), strict=True))


@dataclass(frozen=True)
class HistoryData:
    """contracts.SEGMENT_MIGRATIONS and drift of this run, and contracts.SEGMENT_HISTORY up to this run."""

    migrations: pd.DataFrame
    history: pd.DataFrame
    drift: Drift

    @property
    def recent(self) -> pd.DataFrame:
        """The history of the last 60 runs, in order; `run` counts them from 0."""
        last = sorted(self.history["sequence"].unique())[-_MAX_RUNS:]
        shown = self.history[self.history["sequence"].isin(last)].sort_values(["sequence", "segment_id"])
        return shown.assign(run=shown["sequence"].map({sequence: i for i, sequence in enumerate(last)}).astype(int))

    @property
    def names(self) -> dict[str, str]:
        """Segment id -> its latest name."""
        last = self.recent.drop_duplicates("segment_id", keep="last").sort_values("segment_id")
        return dict(zip(last["segment_id"], last["segment_name"], strict=True))


def history_gallery(data: HistoryData) -> Gallery:
    """The plots of `data`, rendered."""
    return gallery("history", DRAWINGS, data)


def segment_moves(data: HistoryData) -> Plot | NotApplicable:
    """Users by previous and current segment."""
    moves = data.migrations
    known = moves[moves["from_segment_id"] != NO_SEGMENT]
    if known.empty:
        return NotApplicable("this is the first run: there is no previous one to compare with")
    names = {
        **dict(zip(moves["from_segment_id"], moves["from_segment_name"], strict=True)),
        **dict(zip(moves["to_segment_id"], moves["to_segment_name"], strict=True)),
    }
    users = moves.pivot_table(
        index="from_segment_id", columns="to_segment_id", values="users", aggfunc="sum", fill_value=0
    ).astype(int)
    rows = [*sorted(set(users.index) - {NO_SEGMENT}), *({NO_SEGMENT} & set(users.index))]
    columns = [*sorted(set(users.columns) - {NO_SEGMENT}), *({NO_SEGMENT} & set(users.columns))]
    users = users.loc[rows, columns]
    shares = users.div(users.sum(axis=1), axis=0)
    causes = moves.groupby("cause")["users"].sum().reindex(list(Cause), fill_value=0)
    before = int(known["users"].sum())
    moved = known[(known["from_segment_id"] != known["to_segment_id"]) & (known["to_segment_id"] != NO_SEGMENT)]
    if moved.empty:
        title = f"No user moved: all {counted(before, 'user')} of the previous run are in the same segment"
    else:
        ways = moved.groupby(["from_segment_id", "to_segment_id"])["users"].sum()
        largest = ways.reset_index().sort_values("users", kind="stable").iloc[-1]
        start, end = (names[largest[f"{side}_segment_id"]] for side in ("from", "to"))
        title = f"{int(ways.sum()):,} of {before:,} users moved, most from {start} to {end}"
    figure, axes = canvas(
        title,
        note=f"{counted(before, 'user')} of the previous run; percentages of a row; colours: users who moved or left",
        height=2.1 + 0.62 * len(rows),
        width=max(7.2, 2.4 + 1.35 * len(columns)),
    )
    _draw_moves(axes, users, shares, names)
    by_model = int(causes[Cause.MODEL] + causes[Cause.BOTH])
    by_features = int(causes[Cause.BEHAVIOUR] + causes[Cause.DATA])
    summary = (
        f"{counted(int(causes[Cause.STAYED]), 'user')} of {before:,} stayed, {by_features:,} moved "
        f"because of their behaviour and {by_model:,} because of a new model; {int(causes[Cause.NEW_USER]):,} are new "
        f"and {int(causes[Cause.LEFT]):,} left"
    )
    if by_model:
        advice = "numbers before and after this run come from different models, so compare them with care"
    elif int(moved["users"].sum()) <= _STABLE_SHARE * before:
        advice = "campaigns can keep their current lists"
    else:
        advice = "update campaign lists, because many users changed their behaviour"
    return Plot(title, f"{summary}: {advice}.", figure)


def shares_over_runs(data: HistoryData) -> Plot | NotApplicable:
    """Segment shares by run."""
    shares = data.recent.pivot(index="run", columns="segment_id", values="share").astype(float)
    if len(shares) < 2:
        return NotApplicable("there is only one run")
    names, colours = data.names, segment_colours(data.names)
    change = (shares.ffill().iloc[-1] - shares.bfill().iloc[0]).sort_index()
    most = str(change.abs().idxmax())
    first, last = float(shares[most].bfill().iloc[0]), float(shares[most].ffill().iloc[-1])
    is_stable = abs(change[most]) < _STABLE_POINTS
    over = f"over {counted(len(shares), 'run')}"
    title = (
        f"Shares are stable {over}: no change of one point or more"
        if is_stable
        else f"{names[most]} went from {percent(first)} to {percent(last)} of users {over}"
    )
    figure, axes = canvas(title, note=_runs_note(data), height=4.8)
    percentages = 100 * shares
    for segment in shares.columns:
        axes.plot(shares.index, percentages[segment], "o-", color=colours[segment], linewidth=2.2, markersize=4)
    axes.set(ylabel="share of users", ylim=(0, None))
    percent_axis(axes.yaxis)
    ends = {name: (float(percentages[segment].ffill().iloc[-1]), colours[segment]) for segment, name in names.items()}
    _run_axis(axes, data.recent)
    _labels_at_end(axes, ends)
    summary = ", ".join(f"{name} {percent(float(shares[segment].ffill().iloc[-1]))}" for segment, name in names.items())
    advice = (
        "budgets split by share can stay as they are"
        if is_stable
        else f"look at {names[most]} first where budgets are split by share"
    )
    return Plot(title, f"Shares now: {summary}; the largest change {over} is {100 * change[most]:+.1f} points for "
                f"{names[most]}: {advice}.", figure)  # fmt: skip


def drift_over_runs(data: HistoryData) -> Plot | NotApplicable:
    """The population stability index of every feature and of the shares, with the limit above which it warns."""
    limits = {measure.name: measure.limit for measure in data.drift.measures if measure.name in _PSI_NAMES}
    runs = data.recent.drop_duplicates("run").set_index("run")[[*PSI_COLUMNS, "psi_shares"]].astype(float)
    measured = runs.dropna(how="all").dropna(axis=1, how="all")
    if len(measured) < 2 or not limits:
        return NotApplicable("drift was measured in fewer than two runs")
    current = {measure.name: measure for measure in data.drift.measures if measure.name in measured.columns}
    top = max(current.values(), key=lambda measure: measure.value / measure.limit)
    drifts = any(measure.warns for measure in current.values())
    title = (
        f"{_PSI_NAMES[top.name].capitalize()} drifts: PSI {top.value:.2f}, above the limit of {top.limit:.2f}"
        if drifts
        else f"No drift: closest to its limit is {_PSI_NAMES[top.name]}, PSI {top.value:.3f}"
    )
    figure, axes = canvas(title, note=_runs_note(data), height=4.8)
    for name in measured.columns:
        axes.plot(measured.index, measured[name], "o-", color=_PSI_COLOURS[name], linewidth=2, markersize=4)
    limit = min(limits.values())
    axes.axhline(limit, color=HIGHLIGHT, linewidth=1.6, linestyle="--")
    axes.set(ylabel="PSI against the reference", ylim=(0, 1.12 * max(limit, float(measured.max().max()))))
    axes.annotate(f"warns above {limit:.2f}", (0.01, limit), xycoords=("axes fraction", "data"), xytext=(0, 4),
                  textcoords="offset points", color=HIGHLIGHT, fontweight="bold", va="bottom")  # fmt: skip
    _run_axis(axes, data.recent)
    last = measured.ffill().iloc[-1]
    ends = {_PSI_NAMES[name]: (float(last[name]), _PSI_COLOURS[name]) for name in _PSI_NAMES if name in last}
    _labels_at_end(axes, ends)
    advice = (
        f"a challenger is trained because {data.drift.triggers[0]}"
        if data.drift.triggers
        else ("watch it; it does not trigger a challenger yet" if drifts else "the model still fits the users")
    )
    caption = f"{_PSI_NAMES[top.name].capitalize()} is at {top.value / top.limit:.0%} of its limit: {advice}."
    return Plot(title, caption, figure)


DRAWINGS = {
    "segment_moves": segment_moves,
    "shares_over_runs": shares_over_runs,
    "drift_over_runs": drift_over_runs,
}
"""All plots over runs, in display order."""


def _draw_moves(axes: "Axes", users: pd.DataFrame, shares: pd.DataFrame, names: Mapping[str, str]) -> None:
    import seaborn

    rows, columns = list(users.index), list(users.columns)
    unchanged = pd.DataFrame([[row in (column, NO_SEGMENT) for column in columns] for row in rows], rows, columns)
    written = [
        [f"{users.loc[row, column]:,}\n{percent(float(shares.loc[row, column]))}" if users.loc[row, column] else "0"
         for column in columns] for row in rows
    ]  # fmt: skip
    axes.set_facecolor(_UNCHANGED)
    coloured = 100 * shares.mask(unchanged | (users == 0))
    seaborn.heatmap(
        coloured, ax=axes, cmap=SEQUENTIAL, vmin=0, vmax=max(1.0, float(coloured.fillna(0.0).to_numpy().max())),
        linewidths=2, linecolor="white", annot=pd.DataFrame(written, rows, columns), fmt="",
        annot_kws={"fontsize": 9.5}, cbar=False,
    )  # fmt: skip
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if pd.isna(coloured.loc[row, column]):
                axes.text(j + 0.5, i + 0.5, written[i][j], ha="center", va="center", fontsize=9.5, color=INK)
    axes.set_xticks(axes.get_xticks(), [_label(column, names, "left") for column in columns])
    axes.set_yticks(axes.get_yticks(), [_label(row, names, "new users") for row in rows])
    axes.set(xlabel="current segment", ylabel="previous segment")
    axes.grid(visible=False)
    axes.tick_params(length=0, rotation=0)


def _label(segment: str, names: Mapping[str, str], elsewhere: str) -> str:
    return elsewhere if segment == NO_SEGMENT else textwrap.fill(names[segment], _LABEL_CHARACTERS)


def _run_axis(axes: "Axes", recent: pd.DataFrame) -> None:
    """Ticks at snapshot numbers, and a line before the first run of a new model."""
    runs = recent.drop_duplicates("run")
    sequences: Sequence[int] = runs["sequence"].tolist()
    step = -(-len(sequences) // _MAX_TICKS)
    axes.set_xticks(range(0, len(sequences), step), [str(sequence) for sequence in sequences[::step]])
    axes.set(xlabel="snapshot", xlim=(-0.3, len(sequences) - 0.7))
    versions = runs["model_version"].tolist()
    for first_run in (i for i in range(1, len(versions)) if versions[i] != versions[i - 1]):
        axes.axvline(first_run - 0.5, color=MUTED, linewidth=1.2, linestyle=":")
        axes.annotate("new model", (first_run - 0.5, 1), xycoords=("data", "axes fraction"), xytext=(3, -3),
                      textcoords="offset points", va="top", fontsize=8.5, color=MUTED)  # fmt: skip


def _labels_at_end(axes: "Axes", ends: Mapping[str, tuple[float, str]]) -> None:
    low, high = axes.get_ylim()
    positions = spread_apart([value for value, _ in ends.values()], min_gap=_LABEL_SHARE * (high - low))
    lift = max(0.0, low - min(positions))
    for (name, (_, colour)), position in zip(ends.items(), positions, strict=True):
        axes.annotate(name, (1, position + lift), xycoords=("axes fraction", "data"), xytext=(8, 0),
                      textcoords="offset points", va="center", color=colour, fontweight="bold")  # fmt: skip


def _runs_note(data: HistoryData) -> str:
    shown = data.recent.drop_duplicates("run")
    return f"{counted(len(shown), 'run')}, up to {shown['as_of'].iloc[-1]:%Y-%m-%d}"
