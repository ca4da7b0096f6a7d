"""Segment history: size, moves and drift of every segment in every snapshot."""

from datetime import date

import pandas as pd

from amzseg_pipeline.contracts.history import DRIFT_COLUMNS, NO_SEGMENT, SEGMENT_HISTORY
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame


def segment_history(
    before: pd.DataFrame | None,
    profiles: pd.DataFrame,
    migrations: pd.DataFrame,
    drift: Drift,
    *,
    sequence: int,
    as_of: date,
) -> pd.DataFrame:
    """contracts.SEGMENT_HISTORY: the rows of the previous snapshot, then those of this run.

    Args:
        before: SEGMENT_HISTORY of the previous snapshot, None in the first run.
        profiles: SEGMENT_PROFILES of this run.
        migrations: SEGMENT_MIGRATIONS of this run.
        drift: Drift measured in this run.
        sequence: Number of the snapshot to be published.
        as_of: as_of of the snapshot.
    """
    moves = migrations[migrations["from_segment_id"] != migrations["to_segment_id"]]
    is_new = moves["from_segment_id"] == NO_SEGMENT
    entered = moves[~is_new].groupby("to_segment_id")["users"].sum()
    new_users = moves[is_new].groupby("to_segment_id")["users"].sum()
    departed = moves.groupby("from_segment_id")["users"].sum()
    previous = before[before["sequence"] == before["sequence"].max()] if before is not None else profiles.head(0)
    names = previous.set_index("segment_id")["segment_name"]
    old_names = profiles["segment_id"].map(names)
    measured = {measure.name: measure.value for measure in drift.measures}
    ids = profiles["segment_id"]
    columns = {
        "sequence": [sequence] * len(profiles),
        "as_of": [as_of] * len(profiles),
        **{name: profiles[name] for name in ("segment_id", "segment_name", "users", "share", "model_version")},
        "renamed_from": old_names.where((old_names != profiles["segment_name"]) & old_names.notna(), None),
        "entered": ids.map(entered).fillna(0),
        "new_users": ids.map(new_users).fillna(0),
        "departed": ids.map(departed).fillna(0),
        **{column.name: [measured.get(column.name)] * len(profiles) for column in DRIFT_COLUMNS},
    }
    current = contract_frame(SEGMENT_HISTORY, columns)
    if before is None:
        return current
    earlier = contract_frame(SEGMENT_HISTORY, {name: before[name] for name in SEGMENT_HISTORY.column_names})
    return pd.concat([earlier, current], ignore_index=True)
