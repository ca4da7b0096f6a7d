"""Which snapshots are kept.

Nothing is deleted here: publishing does.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots.layout import SnapshotName


def expired_snapshots(
    sizes_bytes: Mapping[SnapshotName, int], latest: SnapshotName, *, now: datetime, settings: Settings
) -> list[SnapshotName]:
    """The snapshots beyond `keep_snapshots` or `keep_snapshot_bytes`, counted from the newest, in order of sequence.

    Never `latest`, the newest (its sequence is what the next one counts from), or one younger than
    `keep_snapshot_hours`. A snapshot's age is that of the time in its name, which is its manifest's `created`.
    """
    newest_first = sorted(sizes_bytes, key=lambda name: name.sequence, reverse=True)
    shortest_age = timedelta(hours=settings.keep_snapshot_hours)
    kept_bytes = 0
    expired = []
    for place, name in enumerate(newest_first):
        kept_bytes += sizes_bytes[name]
        is_beyond = place >= settings.keep_snapshots or kept_bytes > settings.keep_snapshot_bytes
        if is_beyond and place > 0 and name != latest and now - name.created >= shortest_age:
            expired.append(name)
    return expired[::-1]
