"""What the users of each recency group did afterwards, from an earlier snapshot that is still kept."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import OUTCOME_DAYS
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at


@dataclass(frozen=True)
class RfmOutcomes:
    """`groups` as PublishedUsers.rfm_outcomes, of the time from `since` to `until` (as_of of the two snapshots)."""

    since: date
    until: date
    groups: pd.DataFrame


def rfm_outcomes(published: Path, snapshot: Snapshot, users: PublishedUsers) -> RfmOutcomes | None:
    """What users did since the newest snapshot whose data is at least OUTCOME_DAYS older.

    None if no such snapshot is kept or intact, it has no dates, or the history does not have `snapshot`.

    Args:
        published: The folder of all snapshots.
        snapshot: The snapshot to compare with.
        users: Queries of `snapshot`.
    """
    dates = {int(row["sequence"]): row["as_of"].date() for row in snapshot.segment_history().to_dict("records")}
    until = dates.get(snapshot.sequence)
    if until is None:
        return None
    for sequence in sorted(dates, reverse=True):
        if dates[sequence] > until - timedelta(days=OUTCOME_DAYS):
            continue
        try:
            earlier = snapshot_at(published, pointer_to(published, sequence))
            earlier.verify(f"{SEGMENT_ASSIGNMENTS.name}.parquet")
        except SnapshotError:
            continue
        groups = users.rfm_outcomes(earlier)
        return None if groups.empty else RfmOutcomes(dates[sequence], until, groups)
    return None
