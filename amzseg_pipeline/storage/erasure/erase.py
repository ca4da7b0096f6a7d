"""Erases a user from everything below the data root except landing/, which the pipeline never writes to."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import DataRoot, settings_of
from amzseg_pipeline.storage.engines.open_engine import temporary_folder
from amzseg_pipeline.storage.erasure.search import ExportSearch, files_containing, search_exports
from amzseg_pipeline.storage.erasure.user_ids import UserIds, stored_ids, user_ids
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.snapshots.layout import snapshot_names
from amzseg_pipeline.storage.snapshots.rewrite import ErasedSnapshot, erase_users
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_MAX_LISTED = 20


@dataclass(frozen=True)
class ErasureResult:
    """The snapshots that were replaced, the folders that were deleted, and the records that could not be searched.

    Without snapshots and folders no file contained the id, and nothing was changed.

    What `exports` says is unreadable may contain the id, but no run uses it.
    """

    snapshots: tuple[ErasedSnapshot, ...]
    deleted: tuple[str, ...]
    exports: ExportSearch


def erase(data_root: DataRoot, user_id: str, *, keys: Sequence[UserKey] = ()) -> ErasureResult:
    """Erases a user and checks that no file contains the id.

    Ids are compared without outer white space and in Unicode normal form C; upper and lower case are different users.

    Args:
        data_root: The data root.
        user_id: The id as in the source.
        keys: The keys that pseudonymised the ids of kept snapshots.

    Raises:
        ErasureError: Before any change, if an export still contains the id, a run is active, a snapshot was made
            with a key that is not given, or the id is stored in another form; after erasing, if a file still contains
            the id.
    """
    ids = user_ids(user_id, keys=keys)
    if not data_root.root.is_dir():
        raise ErasureError(f"{data_root.root}: there is no such folder; set AMZSEG_DATA to the data root.")
    data_root.local.mkdir(parents=True, exist_ok=True)
    settings = settings_of(data_root)
    exports = _require_gone_from_landing(data_root, ids, settings)
    try:
        with FileLock(data_root.lock_file).acquire(timeout=0):
            _require_known_keys(data_root, ids)
            if (spilled := temporary_folder(data_root, settings)).exists():
                delete(spilled)  # of a killed run: the engine compresses what it writes there
            if not _files_containing(data_root, ids):
                _require_stored_form(ids.given)
                return ErasureResult((), (), exports)
            erased: tuple[ErasedSnapshot, ...] = ()
            if data_root.published.is_dir():
                erased = erase_users(data_root.published, lambda snapshot: stored_ids(snapshot, ids))
            deleted = tuple(_deleted_folders(data_root, ids.all))
            remaining = _files_containing(data_root, ids)
    except Timeout:
        raise ErasureError(f"{data_root.lock_file}: a run is active; wait for it to end, then erase.") from None
    if remaining:
        raise ErasureError(
            f"{data_root.root}: the user's id is still in {_listed(remaining)}; delete these files. A damaged table "
            "or database counts as containing it."
        )
    return ErasureResult(erased, deleted, exports)


def _files_containing(data_root: DataRoot, ids: UserIds) -> list[Path]:
    folders = dict.fromkeys((data_root.root, data_root.local))
    return [path for folder in folders for path in files_containing(ids.all, folder, without=data_root.landing)]


def _require_gone_from_landing(data_root: DataRoot, ids: UserIds, settings: Settings) -> ExportSearch:
    search = search_exports(data_root.landing, ids.given, settings)
    if search.containing:
        raise ErasureError(
            f"{data_root.landing}: the user is still in {_listed(search.containing)}. Remove the user's records from "
            "these files first, or the next run brings the user back. Nothing was changed."
        )
    return search


def _require_known_keys(data_root: DataRoot, ids: UserIds) -> None:
    unknown: dict[str, list[int]] = {}
    for name in snapshot_names(data_root.published):
        key_id = snapshot_at(data_root.published, pointer_to(data_root.published, name.sequence)).user_key_id
        if key_id is not None and key_id not in ids.pseudonyms:
            unknown.setdefault(key_id, []).append(name.sequence)
    if unknown:
        details = "; ".join(
            f"snapshots {', '.join(map(str, each))} of key {key_id}" for key_id, each in unknown.items()
        )
        raise ErasureError(
            f"{data_root.published}: there are {details}, which is not given, so the user cannot be found there. "
            "Put that key into AMZSEG_USER_KEY, or into AMZSEG_FORMER_USER_KEYS if it is no longer in use. "
            "Nothing was changed."
        )


def _require_stored_form(user_id: str) -> None:
    """Raises ErasureError for an id as a data frame writes whole numbers, which is read as the whole number."""
    if match := re.fullmatch(r"([0-9]+)\.0+", user_id):
        raise ErasureError(
            f"erase: no file has the id {user_id}. Where an export has ids as decimal numbers, they are stored as "
            f"whole numbers: erase {match[1]} instead. Nothing was changed."
        )


def _deleted_folders(data_root: DataRoot, ids: Collection[str]) -> Iterator[str]:
    """Deletes the warehouse, which the next run rebuilds, and folders of plots and reports that contain an id."""
    if data_root.warehouse.exists():
        delete(data_root.warehouse)
        yield data_root.warehouse.name
    for folder in sorted(data_root.artifacts.iterdir()) if data_root.artifacts.is_dir() else ():
        if files_containing(ids, folder):
            delete(folder)
            yield f"{data_root.artifacts.name}/{folder.name}"


def _listed(paths: Sequence[Path]) -> str:
    more = len(paths) - _MAX_LISTED
    listed = ", ".join(str(path) for path in paths[:_MAX_LISTED])
    return f"{listed} and {more:,} more" if more > 0 else listed
