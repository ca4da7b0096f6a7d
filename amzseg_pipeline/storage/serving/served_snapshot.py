"""The latest snapshot with its model, kept open and verified for all readers of a process: pages and API."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import access_errors
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot, read_latest
from amzseg_pipeline.storage.snapshots.layout import pointer_of

_MAX_OPEN_SNAPSHOTS = 3
_lock = threading.Lock()
_open_snapshots: OrderedDict[tuple[str, ...], "ServedSnapshot"] = OrderedDict()


@dataclass(frozen=True)
class ServedSnapshot:
    """A verified snapshot with its model and queries. `sha256` is that of its manifest and identifies it."""

    sha256: str
    snapshot: Snapshot
    model: Model
    users: PublishedUsers

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """segment_profiles."""
        return self.snapshot.segment_profiles()


def served_snapshot(data_root: DataRoot) -> ServedSnapshot:
    """The latest snapshot, opened and verified again only if the pointer or a file of the snapshot changed.

    Raises:
        SnapshotError: nothing is published, or it is damaged or of another contract.
        ModelError: its model cannot be read.
    """
    with _lock:
        while (key := snapshot_key(data_root)) not in _open_snapshots:
            snapshot = read_latest(data_root.root)
            if snapshot_key(data_root) != key:
                continue  # another snapshot was published meanwhile
            model = model_from_document(snapshot.model_document(), location=str(snapshot.path / "model.json"))
            _open_snapshots[key] = ServedSnapshot(key[1], snapshot, model, PublishedUsers(snapshot))
            while len(_open_snapshots) > _MAX_OPEN_SNAPSHOTS:
                _open_snapshots.popitem(last=False)
        _open_snapshots.move_to_end(key)
        return _open_snapshots[key]


def snapshot_key(data_root: DataRoot) -> tuple[str, ...]:
    """Identifies the latest snapshot and the state of its files: data root, sha256 of its manifest, file states."""
    pointer = pointer_of(data_root.published)
    if pointer is None:
        return (str(data_root.root), "")
    return (str(data_root.root), pointer.sha256, *_file_states((data_root.published / pointer.manifest).parent))


def _file_states(folder: Path) -> list[str]:
    """Name, size and modification time of each file; none if the folder is gone."""
    try:
        return [f"{path.name} {state.size_bytes} {state.modified}" for path, state in files_below(folder).items()]
    except access_errors():
        return []
