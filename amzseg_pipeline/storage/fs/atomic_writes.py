"""Atomic writes of files and folders, on a local disk or in an object store.

On a disk a temporary file is renamed once it is complete. For a store, files are written to a local staging folder and
uploaded once the block succeeded: a file object of the store would upload half a file when the block fails, because
leaving the block closes it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from tempfile import mkdtemp
from typing import Any, cast

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.object_store import access_errors, local_folder, store_of

STAGING_FOLDER = ".staging"
"""Below the local folder: files that are not uploaded yet."""

_HASH_CHUNK_BYTES = 2**20
_UPLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class FileState:
    """Size and modification time (seconds since 1970 UTC) of a file; in a store also its ETag."""

    size_bytes: int
    modified: float
    etag: str = ""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary local file that replaces `path`, flushed to disk, when the block succeeds.

    After an error it is deleted and `path` is unchanged. A killed process leaves a file whose name starts with a dot,
    next to `path` or in the staging folder. Raises WriteError for an OSError, also for one raised in the block.
    """
    with _write_errors(path):
        if store_of(path) is None:
            temporary = path.with_name(f".{path.name}.tmp")
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                yield temporary
                sync(temporary)
                temporary.replace(path)
                sync(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
        else:
            with staging_folder() as staging:
                temporary = staging / path.name
                yield temporary
                store_of(path).put_file(str(temporary), _key(path))


@contextmanager
def atomic_folder(folder: Path, *, last: str, is_written: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """An empty local folder that replaces `folder` when the block succeeds.

    A store has no folders: there the file `last` is deleted first and uploaded last, so `folder` is complete if and
    only if `last` exists. If it `is_written` by then, by a worker that was thought lost, it is kept.
    """
    with _write_errors(folder):
        if store_of(folder) is None:
            temporary, replaced = (folder.with_name(f".{folder.name}.{suffix}") for suffix in ("tmp", "old"))
            for leftover in (temporary, replaced):
                shutil.rmtree(leftover, ignore_errors=True)
            temporary.mkdir(parents=True)
            try:
                yield temporary
                for path in (*temporary.rglob("*"), temporary):
                    sync(path)
                if folder.exists():
                    folder.rename(replaced)
                temporary.rename(folder)
                sync(folder.parent)
                shutil.rmtree(replaced, ignore_errors=True)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        else:
            with staging_folder() as staging:
                yield staging
                if not is_written():
                    upload_folder(staging, folder, last=last)


@contextmanager
def staging_folder() -> Iterator[Path]:
    """An empty local folder for files to upload; it is deleted at the end."""
    root = local_folder() / STAGING_FOLDER
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def upload_folder(source: Path, folder: Path, *, last: str) -> None:
    """Replaces the files below a store's `folder` by those of `source`: `last` is deleted first, uploaded last."""
    if files_below(folder):
        delete(folder, first=last)
    others = [path for path in files_below(source) if path != source / last]
    targets = [_key(folder / path.relative_to(source).as_posix()) for path in others]
    if others:
        store_of(folder).put([str(path) for path in others], targets, batch_size=_UPLOADS_AT_ONCE)
    store_of(folder).put_file(str(source / last), _key(folder / last))


def delete(path: Path, *, first: str = "") -> None:
    """Deletes a file, or a folder with everything below it; in a store the file `first` before the others."""
    store = store_of(path)
    if store is not None:
        below = list(files_below(path)) or [path]
        for paths in ([path / first] if path / first in below else [], below):
            if paths:
                store.rm([_key(each) for each in paths])
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def files_below(folder: Path) -> dict[Path, FileState]:
    """Every file below a folder, sorted, without links and files deleted meanwhile. One list request to a store."""
    if store_of(folder) is not None:
        return {folder / name: state for name, state in object_states(folder).items()}
    states = {}
    for path in sorted(folder.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if S_ISREG(status.st_mode):
            states[path] = FileState(status.st_size, status.st_mtime)
    return states


def object_states(folder: Path) -> dict[str, FileState]:
    """Every object below a store's `folder` by the rest of its key, sorted. One list request for each 1,000."""
    prefix = _key(folder).rstrip("/") + "/"
    found = store_of(folder).find(_key(folder), detail=True)
    return {
        key.removeprefix(prefix): _state(info)
        for key, info in sorted(found.items())
        if key.startswith(prefix) and not key.endswith("/")  # consoles create empty objects for folders
    }


def object_state(path: Path) -> FileState:
    """The object at `path` as it is now. FileNotFoundError where it is gone."""
    info = store_of(path).info(_key(path), refresh=True)
    if info["type"] != "file":
        raise FileNotFoundError(str(path))
    return _state(info)


def _state(info: dict[str, Any]) -> FileState:
    """Listings may give fractions of a second and heads do not."""
    return FileState(int(info["size"]), int(info["LastModified"].timestamp()), info["ETag"].strip('"'))


def copied_file(path: Path, copy: Path) -> str:
    """Copies a file to the local path `copy`; the sha256 of its bytes, which are read once."""
    digest = hashlib.sha256()
    with path.open("rb") as source, copy.open("wb") as target:
        while chunk := source.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Flushes a local file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_error(path: Path, reason: str) -> WriteError:
    """The error for a file that cannot be written."""
    return WriteError(
        f"{path}: it cannot be written ({reason}); check disk space and permissions there, then run again."
    )


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except access_errors() as error:
        number = getattr(error, "errno", None)
        # A store's own message says more than the errno that s3fs maps it to.
        reason = os.strerror(number) if number and store_of(path) is None else str(error)
        raise write_error(path, reason) from error


def _key(path: Path) -> str:
    """The key of an object in its store."""
    return str(cast(Any, path).path)
