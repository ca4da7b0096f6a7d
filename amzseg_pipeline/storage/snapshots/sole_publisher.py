"""One process at a time changes published/: it has the staging folder, moves the pointer, and ends what others began.

No tables here, and no rules about what is published.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import SnapshotError, WriteError
from amzseg_pipeline.contracts.publish import POINTER_FILE
from amzseg_pipeline.storage.files import sync, whole_file
from amzseg_pipeline.storage.snapshots.layout import LOCK_FILE, SNAPSHOTS_FOLDER, STAGING_FOLDER, Pointer

_WAIT_SECONDS = 600
_REWRITTEN = ".rewritten"


@contextmanager
def sole_publisher(published: Path) -> Iterator[Path]:
    """The staging folder, empty, while no other process publishes. What killed processes left in it is deleted."""
    staging = published / STAGING_FOLDER
    try:
        (published / SNAPSHOTS_FOLDER).mkdir(parents=True, exist_ok=True)
        with FileLock(published / LOCK_FILE, timeout=_WAIT_SECONDS):
            _empty(staging)
            _end_replacements(published / SNAPSHOTS_FOLDER, staging)
            try:
                yield staging
            finally:
                _empty(staging)
    except Timeout:
        raise SnapshotError(
            f"{published / LOCK_FILE}: another process has been publishing for {_WAIT_SECONDS} s; wait for its end."
        ) from None
    except (OSError, WriteError) as error:
        raise SnapshotError(
            f"{published}: publishing failed ({error}). {POINTER_FILE} still names a whole snapshot, if there was one; "
            "see to the space and the permissions there, then run again."
        ) from error


def move_pointer(published: Path, pointer: Pointer) -> None:
    """Makes LATEST.json be `pointer`."""
    with whole_file(published / POINTER_FILE) as temporary:
        temporary.write_bytes(pointer.as_bytes())


def replace_snapshot(snapshot: Path, draft: Path, *, staging: Path) -> None:
    """Puts the folder `draft`, which is on disk, in the place of a snapshot that is not the latest.

    Two renames cannot be one. A process killed between them leaves the draft beside the gap it belongs in, and the next
    one that publishes puts it there.
    """
    beside = snapshot.with_name(f"{snapshot.name}{_REWRITTEN}")
    draft.rename(beside)
    sync(snapshot.parent)
    snapshot.rename(staging / snapshot.name)
    beside.rename(snapshot)
    sync(snapshot.parent)


def _end_replacements(snapshots: Path, staging: Path) -> None:
    for beside in snapshots.glob(f"*{_REWRITTEN}"):
        snapshot = snapshots / beside.name.removesuffix(_REWRITTEN)
        beside.rename(staging / beside.name if snapshot.exists() else snapshot)


def _empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
