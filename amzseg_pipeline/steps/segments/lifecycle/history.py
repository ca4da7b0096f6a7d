"""Night by night: the size of every segment, who came and went, and the drift of the night."""

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
    """contracts.SEGMENT_HISTORY: the nights of `before`, the last snapshot's, and tonight's segments at the end.

    `profiles` and `migrations` are tonight's contracts.SEGMENT_PROFILES and SEGMENT_MIGRATIONS.
    """
    moves = migrations[migrations["from_segment_id"] != migrations["to_segment_id"]]
    is_new = moves["from_segment_id"] == NO_SEGMENT
    entered = moves[~is_new].groupby("to_segment_id")["users"].sum()
    new_users = moves[is_new].groupby("to_segment_id")["users"].sum()
    departed = moves.groupby("from_segment_id")["users"].sum()
    measured = {figure.name: figure.value for figure in drift.figures}
    ids = profiles["segment_id"]
    tonight = {
        "sequence": [sequence] * len(profiles),
        "as_of": [as_of] * len(profiles),
        **{name: profiles[name] for name in ("segment_id", "segment_name", "users", "share", "model_version")},
        "entered": ids.map(entered).fillna(0),
        "new_users": ids.map(new_users).fillna(0),
        "departed": ids.map(departed).fillna(0),
        **{column.name: [measured.get(column.name)] * len(profiles) for column in DRIFT_COLUMNS},
    }
    run_day = contract_frame(SEGMENT_HISTORY, tonight)
    if before is None:
        return run_day
    known = before.reindex(columns=list(SEGMENT_HISTORY.column_names))
    earlier = contract_frame(SEGMENT_HISTORY, {name: known[name] for name in SEGMENT_HISTORY.column_names})
    return pd.concat([earlier, run_day], ignore_index=True)
