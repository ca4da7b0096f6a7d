"""Writing to published/, one process at a time: a folder on disk under a lock, or a prefix in an object store."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import SnapshotError, WriteError
from amzseg_pipeline.contracts.publish import MANIFEST_FILE, POINTER_FILE
from amzseg_pipeline.storage.fs.atomic_writes import (
    atomic_write,
    delete,
    files_below,
    staging_folder,
    sync,
    upload_folder,
)
from amzseg_pipeline.storage.fs.object_store import access_errors, store_of
from amzseg_pipeline.storage.snapshots.layout import (
    LOCK_FILE,
    SNAPSHOTS_FOLDER,
    STAGING_FOLDER,
    Pointer,
    pointer_of,
    superseded_names,
)
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to

_LOCK_TIMEOUT_SECONDS = 600


class Backend(Protocol):
    """How published/ is changed. `staging` is a local folder that readers never look at."""

    staging: Path

    def add(self, draft: Path) -> None:
        """Makes a folder in staging, already flushed to disk, the snapshot of its name."""

    def move_pointer(self, pointer: Pointer) -> None:
        """Replaces LATEST.json by `pointer`."""

    def remove(self, snapshot: Path) -> None:
        """Removes a snapshot that is not the latest; readers never see an incomplete one."""


@contextmanager
def publishing(published: Path) -> Iterator[Backend]:
    """The backend, while no other process publishes: a lock ensures it on disk, and the pointer in a store.

    Deletes what killed processes left, and completes the erasure that one had begun.
    """
    try:
        with (_on_disk if store_of(published) is None else _in_store)(published) as backend:
            _remove_superseded(published, backend)
            yield backend
    except Timeout:
        raise SnapshotError(
            f"{published / LOCK_FILE}: another process has been publishing for {_LOCK_TIMEOUT_SECONDS} s; wait for it "
            "to end, then run again."
        ) from None
    except access_errors(WriteError) as error:
        raise SnapshotError(
            f"{published}: publishing failed ({error}). {POINTER_FILE} still names the complete snapshot before, if "
            "there was one; check free space and permissions there, then run again."
        ) from error


def _remove_superseded(published: Path, backend: Backend) -> None:
    """Removes snapshots of which a newer revision is there; the pointer moves to that one first."""
    try:
        pointer = pointer_of(published)
    except SnapshotError:
        return  # the next snapshot replaces the damaged pointer; until then it is unknown what it named
    for name in superseded_names(published):
        if pointer is not None and pointer.name == name:
            newest = pointer_to(published, name.sequence)
            backend.move_pointer(replace(newest, rolled_back_from=pointer.rolled_back_from))
        backend.remove(published / SNAPSHOTS_FOLDER / str(name))


class _DiskBackend:
    """Every step is a rename, after which the folder is flushed to disk."""

    def __init__(self, published: Path, staging: Path) -> None:
        self.staging = staging
        self._published = published
        self._snapshots = published / SNAPSHOTS_FOLDER

    def add(self, draft: Path) -> None:
        draft.rename(self._snapshots / draft.name)
        sync(self._snapshots)

    def move_pointer(self, pointer: Pointer) -> None:
        with atomic_write(self._published / POINTER_FILE) as temporary:
            temporary.write_bytes(pointer.as_bytes())

    def remove(self, snapshot: Path) -> None:
        """Moves it to staging, which is deleted at the end."""
        snapshot.rename(self.staging / f"removed-{snapshot.name}")
        sync(self._snapshots)


@contextmanager
def _on_disk(published: Path) -> Iterator[_DiskBackend]:
    staging = published / STAGING_FOLDER
    (published / SNAPSHOTS_FOLDER).mkdir(parents=True, exist_ok=True)
    with FileLock(published / LOCK_FILE, timeout=_LOCK_TIMEOUT_SECONDS):
        _empty(staging)
        try:
            yield _DiskBackend(published, staging)
        finally:
            _empty(staging)


class _StoreBackend:
    """The manifest of a snapshot is uploaded last and deleted first: without it there is no snapshot.

    The pointer is one conditional PUT: it fails if the pointer is no longer the one that this process knows, so of two
    processes that publish at the same time, on whatever machines, the second is refused.
    """

    def __init__(self, published: Path, staging: Path) -> None:
        self.staging = staging
        self._published = published
        self._pointer = published / POINTER_FILE
        self._etag = self._current_etag()
        self._added: list[Path] = []
        self._moved = False

    def add(self, draft: Path) -> None:
        snapshot = self._published / SNAPSHOTS_FOLDER / draft.name
        self._added.append(snapshot)
        upload_folder(draft, snapshot, last=MANIFEST_FILE)
        shutil.rmtree(draft)

    def move_pointer(self, pointer: Pointer) -> None:
        condition = {"IfNoneMatch": "*"} if self._etag is None else {"IfMatch": self._etag}
        store, key = store_of(self._pointer), cast(Any, self._pointer).path
        try:
            store.pipe_file(key, pointer.as_bytes(), ContentType="application/json", **condition)
        except OSError:
            # A PUT whose answer is lost is sent again, and then refused for what it did itself.
            if pointer_of(self._published) != pointer:
                self._stop_if_another_published()
                raise
        self._moved = True
        self._etag = self._current_etag()
        if pointer_of(self._published) != pointer:
            raise self._another_published()

    def remove(self, snapshot: Path) -> None:
        delete(snapshot, first=MANIFEST_FILE)

    def delete_leftovers(self) -> None:
        """Deletes files without a manifest. Only after the pointer was moved: any other process that publishes, and
        has not uploaded its manifest yet, is then refused."""
        if not self._moved:
            return
        paths = files_below(self._published / SNAPSHOTS_FOLDER)
        complete = {path.parent for path in paths if path.name == MANIFEST_FILE}
        for folder in {path.parent for path in paths} - complete:
            delete(folder)

    def _stop_if_another_published(self) -> None:
        if self._current_etag() != self._etag:
            for snapshot in self._added:
                self.remove(snapshot)
            raise self._another_published()

    def _another_published(self) -> SnapshotError:
        return SnapshotError(
            f"{self._pointer}: another process has published at the same time, so this one stopped. Let one run at a "
            "time publish (one queue, one daemon), then run again."
        )

    def _current_etag(self) -> str | None:
        try:
            return str(store_of(self._pointer).info(cast(Any, self._pointer).path)["ETag"])
        except FileNotFoundError:
            return None


@contextmanager
def _in_store(published: Path) -> Iterator[_StoreBackend]:
    with staging_folder() as staging:
        backend = _StoreBackend(published, staging)
        yield backend
        backend.delete_leftovers()


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
