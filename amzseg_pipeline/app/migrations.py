"""What moved between snapshots: flows of users with their causes, sizes before and now, and the shares over time."""

from typing import NamedTuple

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import small_table
from amzseg_pipeline.app.formatting import share_of, signed
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.history import NO_SEGMENT, Cause
from amzseg_pipeline.presentation.colours import segment_colours

FIRST = "This is the first snapshot, so there is nothing to compare it with yet."

_SHOWN_FLOWS = 12
_CAUSES: dict[str, str] = {
    Cause.BEHAVIOUR: "behaviour",
    Cause.DATA: "corrected data",
    Cause.MODEL: "new model",
    Cause.BOTH: "both",
    Cause.NEW_USER: "new user",
    Cause.LEFT: "not there any more",
}


class _Flow(NamedTuple):
    from_segment_id: str
    from_segment_name: str
    to_segment_name: str
    cause: str
    users: int
    share: float


def moves(shown: Published, migrations: pd.DataFrame) -> None:
    """The flows of segment_migrations, the largest first, and in a sentence how many stayed."""
    users = migrations.groupby("cause")["users"].sum()
    if set(users.index) <= {Cause.NEW_USER}:
        st.markdown(FIRST)
        return
    known = int(users.drop(Cause.NEW_USER, errors="ignore").sum())
    stayed = int(users.get(Cause.STAYED, 0))
    moved = {cause: int(users.get(cause, 0)) for cause in (Cause.BEHAVIOUR, Cause.DATA, Cause.MODEL, Cause.BOTH)}
    parts = [f"{stayed:,} of {known:,} users stayed where they were ({share_of(stayed / known)})"]
    parts.append(f"{sum(moved.values()):,} moved, {moved[Cause.MODEL]:,} of them because of a new model alone")
    parts.append(f"{int(users.get(Cause.NEW_USER, 0)):,} are new and {int(users.get(Cause.LEFT, 0)):,} have left")
    st.markdown("; ".join(parts) + ".")
    flows = migrations[migrations["cause"] != Cause.STAYED].sort_values("users", ascending=False)
    if flows.empty:
        return
    small_table(
        ["From", "To", "Why", "Users", "Part of that segment"],
        [
            [
                _place(flow.from_segment_name, "New"),
                _place(flow.to_segment_name, "Left"),
                _CAUSES.get(flow.cause, flow.cause),
                f"{flow.users:,}",
                "–" if flow.from_segment_id == NO_SEGMENT else share_of(flow.share),
            ]
            for flow in map(_Flow._make, flows.head(_SHOWN_FLOWS)[list(_Flow._fields)].itertuples(index=False))
        ],
        texts=3,
        colours=[shown.colours.get(str(segment_id)) for segment_id in flows["from_segment_id"].head(_SHOWN_FLOWS)],
    )
    if len(flows) > _SHOWN_FLOWS:
        st.caption(f"The {_SHOWN_FLOWS} largest of {len(flows):,} flows; segment_migrations.parquet holds all.")


def sizes(shown: Published, previous: pd.DataFrame) -> None:
    """Users per segment before and now: what can be told where the snapshot holds no migrations."""
    before, now = (frame.set_index("segment_id")["users"] for frame in (previous, shown.profiles))
    names = {
        segment_id: name
        for frame in (previous, shown.profiles)
        for segment_id, name in zip(frame["segment_id"], frame["segment_name"], strict=True)
    }
    segment_ids = sorted(names)
    small_table(
        ["Segment", "Before", "Now", "Change"],
        [
            [
                names[segment_id],
                f"{int(before.get(segment_id, 0)):,}",
                f"{int(now.get(segment_id, 0)):,}",
                signed(int(now.get(segment_id, 0)) - int(before.get(segment_id, 0))),
            ]
            for segment_id in segment_ids
        ],
        colours=list(segment_colours(segment_ids).values()),
    )
    st.caption("Users per segment in the snapshot before and in this one. Who moved is told from contract 1.1 on.")


def history(shown: Published, runs: pd.DataFrame) -> None:
    """The share of each segment, snapshot by snapshot; nothing until there are two."""
    shares = runs.pivot(index="sequence", columns="segment_id", values="share")
    if len(shares) < 2:
        return
    names = runs.sort_values("sequence").groupby("segment_id")["segment_name"].last()
    colours = segment_colours(shares.columns) | shown.colours
    by_size = [*shown.segment_ids, *(each for each in shares.columns if each not in shown.segment_ids)]
    st.subheader("Shares over time", anchor=False)
    charts.show(
        charts.lines_figure(
            list(shares.index),
            {names[segment_id]: (100 * shares[segment_id]).tolist() for segment_id in by_size},
            colours={names[segment_id]: colours[segment_id] for segment_id in by_size},
            x_title="snapshot",
            y_title="share of users",
            y_unit=" %",
        ),
        key="history",
        alt="Share of each segment in every snapshot so far.",
    )


def _place(name: object, nowhere: str) -> str:
    return nowhere if name == NO_SEGMENT else str(name)
