"""One process at a time changes published/: it has a staging folder, shows snapshots, moves the pointer, takes away.

No tables here, and no rules about what is published.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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
from amzseg_pipeline.storage.snapshots.layout import LOCK_FILE, SNAPSHOTS_FOLDER, STAGING_FOLDER, Pointer, pointer_of

_WAIT_SECONDS = 600
_REWRITTEN = ".rewritten"


class Place(Protocol):
    """Where a process publishes. `staging` is a folder of this machine: what lies there nobody sees."""

    staging: Path

    def show(self, draft: Path) -> None:
        """Makes a folder in staging, which is on disk, the snapshot of its name."""

    def move_pointer(self, pointer: Pointer) -> None:
        """Makes LATEST.json be `pointer`."""

    def replace(self, snapshot: Path, draft: Path) -> None:
        """Puts the folder `draft`, which is on disk, in the place of a snapshot that is not the latest."""

    def take_away(self, snapshot: Path) -> None:
        """Takes a snapshot away that is not the latest; nobody takes half of it for a whole one."""


@contextmanager
def sole_publisher(published: Path) -> Iterator[Place]:
    """Where to publish while no other process does; on a disk a lock sees to that, and in a store the pointer.

    What killed processes left is deleted.
    """
    try:
        with (_on_disk if store_of(published) is None else _in_store)(published) as place:
            yield place
    except Timeout:
        raise SnapshotError(
            f"{published / LOCK_FILE}: another process has been publishing for {_WAIT_SECONDS} s; wait for its end."
        ) from None
    except access_errors(WriteError) as error:
        raise SnapshotError(
            f"{published}: publishing failed ({error}). {POINTER_FILE} still names a whole snapshot, if there was one; "
            "see to the space and the permissions there, then run again."
        ) from error


class _OnDisk:
    """Every step is a rename, after which the folder is flushed to disk."""

    def __init__(self, published: Path, staging: Path) -> None:
        self.staging = staging
        self._published = published
        self._snapshots = published / SNAPSHOTS_FOLDER

    def show(self, draft: Path) -> None:
        draft.rename(self._snapshots / draft.name)
        sync(self._snapshots)

    def move_pointer(self, pointer: Pointer) -> None:
        with atomic_write(self._published / POINTER_FILE) as temporary:
            temporary.write_bytes(pointer.as_bytes())

    def replace(self, snapshot: Path, draft: Path) -> None:
        """Two renames cannot be one. A process killed between them leaves the draft beside the gap it belongs in, and
        the next one that publishes puts it there."""
        beside = snapshot.with_name(f"{snapshot.name}{_REWRITTEN}")
        draft.rename(beside)
        sync(self._snapshots)
        self.take_away(snapshot)
        beside.rename(snapshot)
        sync(self._snapshots)

    def take_away(self, snapshot: Path) -> None:
        """In staging, where it is then deleted, nobody sees it."""
        snapshot.rename(self.staging / f"gone-{snapshot.name}")
        sync(self._snapshots)

    def end_replacements(self) -> None:
        """Ends what a killed process had begun."""
        for beside in self._snapshots.glob(f"*{_REWRITTEN}"):
            snapshot = self._snapshots / beside.name.removesuffix(_REWRITTEN)
            beside.rename(self.staging / beside.name if snapshot.exists() else snapshot)


@contextmanager
def _on_disk(published: Path) -> Iterator[_OnDisk]:
    staging = published / STAGING_FOLDER
    (published / SNAPSHOTS_FOLDER).mkdir(parents=True, exist_ok=True)
    with FileLock(published / LOCK_FILE, timeout=_WAIT_SECONDS):
        _empty(staging)
        place = _OnDisk(published, staging)
        place.end_replacements()
        try:
            yield place
        finally:
            _empty(staging)


class _InStore:
    """A snapshot's manifest comes last and goes first: without it there is no snapshot. The pointer is one PUT.

    The PUT asks that the pointer still be the one that was there at the beginning, so of two processes that publish at
    the same time the second is refused, whatever machines they are on.
    """

    def __init__(self, published: Path, staging: Path) -> None:
        self.staging = staging
        self._published = published
        self._pointer = published / POINTER_FILE
        self._seen = self._state()
        self._shown: list[Path] = []
        self._moved = False

    def show(self, draft: Path) -> None:
        snapshot = self._published / SNAPSHOTS_FOLDER / draft.name
        self._shown.append(snapshot)
        self.replace(snapshot, draft)

    def move_pointer(self, pointer: Pointer) -> None:
        unchanged = {"IfNoneMatch": "*"} if self._seen is None else {"IfMatch": self._seen}
        store, key = store_of(self._pointer), cast(Any, self._pointer).path
        try:
            store.pipe_file(key, pointer.as_bytes(), ContentType="application/json", **unchanged)
        except OSError:
            # A PUT whose answer is lost is sent again, and then refused for what it did itself.
            if pointer_of(self._published) != pointer:
                self._stop_publishing()
                raise
        self._moved = True

    def replace(self, snapshot: Path, draft: Path) -> None:
        """A process killed meanwhile leaves no snapshot of this name: readers of older ones see that it is gone."""
        upload_folder(draft, snapshot, last=MANIFEST_FILE)
        shutil.rmtree(draft)

    def take_away(self, snapshot: Path) -> None:
        delete(snapshot, first=MANIFEST_FILE)

    def delete_leftovers(self) -> None:
        """Deletes files without a manifest. Only after the pointer was moved: then whoever else is about to publish,
        and has not uploaded the manifest yet, is refused."""
        if not self._moved:
            return
        below = files_below(self._published / SNAPSHOTS_FOLDER)
        whole = {path.parent for path in below if path.name == MANIFEST_FILE}
        for folder in {path.parent for path in below} - whole:
            delete(folder)

    def _stop_publishing(self) -> None:
        if self._state() == self._seen:
            return
        for snapshot in self._shown:
            self.take_away(snapshot)
        raise SnapshotError(
            f"{self._pointer}: another process has published meanwhile, and this one gave way to it. Let one run at a "
            "time publish (one queue, one daemon), then run again."
        )

    def _state(self) -> str | None:
        try:
            return str(store_of(self._pointer).info(cast(Any, self._pointer).path)["ETag"])
        except FileNotFoundError:
            return None


@contextmanager
def _in_store(published: Path) -> Iterator[_InStore]:
    with staging_folder() as staging:
        place = _InStore(published, staging)
        yield place
        place.delete_leftovers()


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
