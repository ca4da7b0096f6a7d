"""Published snapshots: publisher.py writes them, latest.py and snapshot.py read and check them."""

from amzseg_pipeline.storage.snapshots.latest import has_snapshot, latest_manifest, read_latest
from amzseg_pipeline.storage.snapshots.publisher import next_sequence, publish, repoint
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot

__all__ = ["Snapshot", "has_snapshot", "latest_manifest", "next_sequence", "publish", "read_latest", "repoint"]
