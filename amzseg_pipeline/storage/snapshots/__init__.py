"""Published snapshots: made by publishing.py, found and checked by reading.py; the other modules name their parts.

No rules about what may be published.
"""

from amzseg_pipeline.storage.snapshots.latest import has_snapshot, latest_manifest, read_latest
from amzseg_pipeline.storage.snapshots.publisher import next_sequence, publish, repoint
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot

__all__ = ["Snapshot", "has_snapshot", "latest_manifest", "next_sequence", "publish", "read_latest", "repoint"]
