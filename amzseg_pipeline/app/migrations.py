"""Users who moved between two snapshots, with the causes, and the shares of segments over time."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import html_table
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.history import NO_SEGMENT, Cause
from amzseg_pipeline.presentation.colours import segment_colours
from amzseg_pipeline.presentation.formatting import day, moment, money, percent
from amzseg_pipeline.storage.serving.rfm_outcomes import RfmOutcomes

_MAX_FLOWS = 12
_CAUSES: dict[str, str] = {
    Cause.BEHAVIOUR: "behaviour",
    Cause.DATA: "corrected data",
    Cause.MODEL: "new model",
    Cause.BOTH: "behaviour and new model",
    Cause.NEW_USER: "new user",
    Cause.LEFT: "no longer published",
}


class _Flow(NamedTuple):
    from_segment_id: str
    from_segment_name: str
    to_segment_name: str
    cause: str
    users: int
    share: float


def show_migrations(shown: ShownSnapshot, migrations: pd.DataFrame) -> None:
    """How many users stayed, moved, joined and left, and the largest flows of segment_migrations."""
    users = migrations.groupby("cause")["users"].sum()
    if set(users.index) <= {Cause.NEW_USER}:
        st.markdown("This is the first snapshot, so there is nothing to compare it with yet.")
        return
    known = int(users.drop(Cause.NEW_USER, errors="ignore").sum())
    stayed = int(users.get(Cause.STAYED, 0))
    moved = {cause: int(users.get(cause, 0)) for cause in (Cause.BEHAVIOUR, Cause.DATA, Cause.MODEL, Cause.BOTH)}
    since = (
        "" if shown.predecessor is None else f"Since the previous snapshot, of {moment(shown.predecessor.created)}: "
    )
    st.markdown(
        f"{since}{stayed:,} of {known:,} users stayed in their segment ({percent(stayed / known, decimals=1)}); "
        f"{sum(moved.values()):,} moved, {moved[Cause.MODEL]:,} of them only because of a new model; "
        f"{int(users.get(Cause.NEW_USER, 0)):,} are new and {int(users.get(Cause.LEFT, 0)):,} have left."
    )
    flows = migrations[migrations["cause"] != Cause.STAYED].sort_values("users", ascending=False)
    if flows.empty:
        return
    largest = flows.head(_MAX_FLOWS)
    html_table(
        ["From", "To", "Why", "Users", "Share of the segment they left"],
        [
            [
                "New" if flow.from_segment_name == NO_SEGMENT else flow.from_segment_name,
                "Left" if flow.to_segment_name == NO_SEGMENT else flow.to_segment_name,
                _CAUSES.get(flow.cause, flow.cause),
                f"{flow.users:,}",
                "–" if flow.from_segment_id == NO_SEGMENT else percent(flow.share, decimals=1),
            ]
            for flow in map(_Flow._make, largest[list(_Flow._fields)].itertuples(index=False))
        ],
        text_columns=3,
        colours=[shown.colours.get(str(segment_id)) for segment_id in largest["from_segment_id"]],
    )
    if len(flows) > _MAX_FLOWS:
        st.caption(f"The {_MAX_FLOWS} largest of {len(flows):,} flows; segment_migrations.parquet has all.")


def show_outcomes(outcomes: RfmOutcomes, *, currency: str | None) -> None:
    """What the users of each recency group did between two snapshots."""
    st.subheader(f"What users did from {day(outcomes.since)} to {day(outcomes.until)}", anchor=False)
    has_spend = bool(outcomes.groups["spend"].notna().any())
    html_table(
        ["Recency group at first", "Users", "Reviewed again", "Reviews per user", *(["Spend per user"] * has_spend)],
        [
            [
                str(row["rfm_group"]),
                f"{row['users']:,}",
                percent(row["share_active"], decimals=1),
                f"{row['reviews']:.2f}",
                *([money(row["spend"], currency)] * has_spend),
            ]
            for row in outcomes.groups.to_dict("records")
        ],
    )
    st.caption(
        "Reviews and spend count what was added between the two snapshots, including older reviews that arrived late."
    )


def show_history(shown: ShownSnapshot, segment_history: pd.DataFrame) -> None:
    """The share of each segment in every snapshot; nothing before the second snapshot."""
    shares = segment_history.pivot(index="sequence", columns="segment_id", values="share")
    if len(shares) < 2:
        return
    names = segment_history.sort_values("sequence").groupby("segment_id")["segment_name"].last()
    colours = segment_colours(shares.columns) | shown.colours
    former = [segment_id for segment_id in shares.columns if segment_id not in shown.segment_ids]
    segment_ids = [*shown.segment_ids, *former]
    st.subheader("Shares over time", anchor=False)
    charts.show(
        charts.lines_figure(
            _snapshot_dates(segment_history),
            {names[segment_id]: (100 * shares[segment_id]).tolist() for segment_id in segment_ids},
            colours={names[segment_id]: colours[segment_id] for segment_id in segment_ids},
            x_title="date of the snapshot",
            y_title="share of users",
            y_unit="%",
        ),
        key="history",
        alt="Share of each segment in every snapshot so far.",
    )


def _snapshot_dates(segment_history: pd.DataFrame) -> list[str]:
    """The as_of date of each snapshot in order; snapshots of the same date are numbered."""
    dates = segment_history.drop_duplicates("sequence").sort_values("sequence")["as_of"]
    repeats = dates.groupby(dates).cumcount()
    return [day(when) + (f" ({repeat + 1})" if repeat else "") for when, repeat in zip(dates, repeats, strict=True)]
