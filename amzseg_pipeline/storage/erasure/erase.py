"""A user erased from everything below the data root but landing/, which is the senders' and never written by us.

How snapshots are written again stands in snapshots/erasing.py.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.erasure.search import MAX_ID_BYTES, files_containing
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.layout import snapshot_names
from amzseg_pipeline.storage.snapshots.rewrite import ErasedSnapshot, erase_users
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_NAMED_FILES = 20


@dataclass(frozen=True)
class ErasureResult:
    """What was done to forget a user: snapshots written again, and files and folders that were deleted."""

    snapshots: tuple[ErasedSnapshot, ...]
    deleted: tuple[str, ...]


def erase(data_root: DataRoot, user_id: str, *, keys: Sequence[UserKey] = ()) -> ErasureResult:
    """Erases the user with this id, as the source gives it, and looks whether nothing is left.

    `keys` are those that snapshots may have been made with. ForgettingError, before anything is touched, where an
    export still holds the id, a run is under way, or a snapshot is of a key that is not given; and at the end, naming
    the files, where something is left.
    """
    if not user_id.strip() or len(user_id.encode()) > MAX_ID_BYTES:
        raise ErasureError("forget: give the id of one user, as the exports have it.")
    if not data_root.root.is_dir():
        raise ErasureError(f"{data_root.root}: there is no such folder; set AMZSEG_DATA to the data root.")
    data_root.local.mkdir(parents=True, exist_ok=True)
    user_id = user_id.strip()
    _require_gone_from_landing(data_root, user_id)
    ids_by_key: dict[str | None, str] = {key.id: key.pseudonym(user_id) for key in keys}
    ids_by_key[None] = user_id
    try:
        with FileLock(data_root.lock_file).acquire(timeout=0):
            _require_known_keys(data_root, ids_by_key)
            erased = erase_users(data_root.published, _ids_in(ids_by_key)) if data_root.published.is_dir() else ()
            deleted = tuple(_deleted_files(data_root, ids_by_key.values()))
            places = dict.fromkeys((data_root.root, data_root.local))
            left = [
                path
                for place in places
                for path in files_containing(ids_by_key.values(), place, without=data_root.landing)
            ]
    except Timeout:
        raise ErasureError(f"{data_root.lock_file}: a run is under way; wait for its end, then forget.") from None
    if left:
        raise ErasureError(f"{data_root.root}: the user's id still stands in {_named(left)}; delete them by hand.")
    return ErasureResult(erased, deleted)


def _ids_in(ids_by_key: dict[str | None, str]) -> Callable[[Snapshot], Collection[str]]:
    return lambda snapshot: [ids_by_key[snapshot.user_key_id]]


def _require_gone_from_landing(data_root: DataRoot, user_id: str) -> None:
    holding = files_containing([user_id], data_root.landing)
    if holding:
        raise ErasureError(
            f"{data_root.landing}: the user is still in {_named(holding)}. Take the user's records out of these files "
            "first: a run would bring back whoever is in them. Nothing was changed."
        )


def _require_known_keys(data_root: DataRoot, ids_by_key: dict[str | None, str]) -> None:
    unknown: dict[str, list[int]] = {}
    for name in snapshot_names(data_root.published):
        key_id = snapshot_at(data_root.published, pointer_to(data_root.published, name.sequence)).user_key_id
        if key_id is not None and key_id not in ids_by_key:
            unknown.setdefault(key_id, []).append(name.sequence)
    if unknown:
        told = "; ".join(f"snapshots {', '.join(map(str, there))} of key {key_id}" for key_id, there in unknown.items())
        raise ErasureError(
            f"{data_root.published}: there are {told}, which is not given, so the user cannot be found there. "
            "Put that key into AMZSEG_USER_KEY, or into AMZSEG_FORMER_USER_KEYS if it is no longer in use. "
            "Nothing was changed."
        )


def _deleted_files(data_root: DataRoot, ids: Collection[str]) -> Iterator[str]:
    """The warehouse, which the next run builds again, and folders of plots and logs in which an id stands."""
    if data_root.warehouse.exists():
        delete(data_root.warehouse)
        yield data_root.warehouse.name
    for folder in sorted(data_root.artifacts.iterdir()) if data_root.artifacts.is_dir() else ():
        if files_containing(ids, folder):
            delete(folder)
            yield f"{data_root.artifacts.name}/{folder.name}"


def _named(paths: Sequence[Path]) -> str:
    more = len(paths) - _NAMED_FILES
    named = ", ".join(str(path) for path in paths[:_NAMED_FILES])
    return f"{named} and {more:,} more" if more > 0 else named
