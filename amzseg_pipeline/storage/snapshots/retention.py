"""Which snapshots expire."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots.layout import SnapshotName


def expired_snapshots(
    sizes_bytes: Mapping[SnapshotName, int], latest: SnapshotName, *, now: datetime, settings: Settings
) -> list[SnapshotName]:
    """The snapshots beyond `keep_snapshots` or `keep_snapshot_bytes`, counted from the newest, in order of sequence.

    Never `latest`, the newest (the next sequence is counted from it), or one younger than `keep_snapshot_hours`. The
    age of a snapshot is counted from the time in its name, which is `created` in its manifest.
    """
    newest_first = sorted(sizes_bytes, key=lambda name: name.sequence, reverse=True)
    min_age = timedelta(hours=settings.keep_snapshot_hours)
    kept_bytes = 0
    expired = []
    for position, name in enumerate(newest_first):
        kept_bytes += sizes_bytes[name]
        is_beyond = position >= settings.keep_snapshots or kept_bytes > settings.keep_snapshot_bytes
        if is_beyond and position > 0 and name != latest and now - name.created >= min_age:
            expired.append(name)
    return expired[::-1]
