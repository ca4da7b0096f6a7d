"""The latest published snapshot: found through the pointer, checked against its hashes."""

from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import NothingPublished, SnapshotError
from amzseg_pipeline.contracts.publish import POINTER_FILE
from amzseg_pipeline.storage.data_root import data_root_at, data_root_from_environment
from amzseg_pipeline.storage.fs.object_store import access_errors
from amzseg_pipeline.storage.snapshots.layout import SNAPSHOTS_FOLDER, pointer_of, snapshot_names, unreadable
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot, snapshot_at

_MAX_ATTEMPTS = 5


def read_latest(root: Path | str | None = None, *, verify: bool = True) -> Snapshot:
    """The latest snapshot below the data root, a folder or `s3://bucket/prefix` (`AMZSEG_DATA`, or `data/`, when None).

    The manifest is checked against the pointer and, unless `verify` is false, every file against the manifest. Raises
    SnapshotError with the fix when there is no snapshot, or it is damaged or of another contract.
    """
    published = _published(root)
    pointer = pointer_of(published)
    if pointer is None:
        raise _nothing_published(published)
    for _ in range(_MAX_ATTEMPTS):
        try:
            snapshot = snapshot_at(published, pointer)
            if verify:
                snapshot.verify()
        except SnapshotError:
            # A snapshot that is no longer the latest may be removed while it is read.
            newer = pointer_of(published)
            if newer is None or newer == pointer:
                raise
            pointer = newer
        else:
            return snapshot
    raise SnapshotError(f"{published / POINTER_FILE}: it changed {_MAX_ATTEMPTS} times during the read; try again.")


def has_snapshot(root: Path | str | None = None) -> bool:
    """Whether anything has been published below the data root; read_latest() checks whether it is intact."""
    path = _published(root) / POINTER_FILE
    try:
        return path.exists()
    except access_errors() as error:
        raise unreadable(path, error) from error


def latest_manifest(published: Path) -> dict[str, Any] | None:
    """The manifest of the latest snapshot, None when nothing is published; data files are not checked.

    Raises SnapshotError when the pointer or the manifest is damaged.
    """
    pointer = pointer_of(published)
    return None if pointer is None else snapshot_at(published, pointer).manifest


def _published(root: Path | str | None) -> Path:
    return (data_root_from_environment() if root is None else data_root_at(root)).published


def _nothing_published(published: Path) -> NothingPublished:
    names = snapshot_names(published)
    if names:
        return NothingPublished(
            f"{published / POINTER_FILE}: there is no such file, though {SNAPSHOTS_FOLDER}/ has {names[-1]}; "
            "run the pipeline, or go back to a snapshot with python -m amzseg_pipeline rollback."
        )
    return NothingPublished(f"{published}: nothing has been published yet; run the pipeline (make run).")
