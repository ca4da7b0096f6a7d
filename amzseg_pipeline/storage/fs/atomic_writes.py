"""Files and folders that appear whole or not at all, on a disk of this machine or in an object store.

No formats here: what is in a file is the business of the module that writes it. On a disk a finished file takes its
place by a rename. In a store it is made on this machine first and uploaded only once the block that wrote it has ended
well: what is written to a store's own open files appears half when the block fails, for leaving it closes them.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from tempfile import mkdtemp
from typing import Any, cast

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.object_store import access_errors, local_folder, store_of

STAGING_FOLDER = ".staging"
"""Below the local folder: what is not in the store yet."""

_HASH_CHUNK_BYTES = 2**20
_UPLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class FileState:
    """What tells that a file changed; the time is in seconds since 1970 UTC."""

    size_bytes: int
    modified: float


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A file on a disk to write to; it takes the place of `path`, all bytes of it stored, when the block ends well.

    After an error it is deleted and `path` is as it was. What a killed process leaves of it starts with a dot, beside
    `path` or in the staging folder. Raises WriteError where the system refuses, in the block too.
    """
    with _in_words(path):
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
def atomic_folder(folder: Path, *, last: str) -> Iterator[Path]:
    """As whole_file, for a folder and all files in it: an empty one to write to, which takes the place of `folder`.

    A store knows no folders: there the file `last` goes first and comes last, and only where it is there `folder` is
    whole.
    """
    with _in_words(folder):
        if store_of(folder) is None:
            temporary, replaced = (folder.with_name(f".{folder.name}.{kind}") for kind in ("tmp", "old"))
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
                upload_folder(staging, folder, last=last)


@contextmanager
def staging_folder() -> Iterator[Path]:
    """An empty folder of this machine for what is to be uploaded; it is deleted at the end."""
    root = local_folder() / STAGING_FOLDER
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def upload_folder(source: Path, folder: Path, *, last: str) -> None:
    """Puts the files below `source` in the place of those below a store's `folder`: `last` goes first, comes last."""
    if files_below(folder):
        delete(folder, first=last)
    others = [path for path in files_below(source) if path != source / last]
    targets = [_key(folder / path.relative_to(source).as_posix()) for path in others]
    if others:
        store_of(folder).put([str(path) for path in others], targets, batch_size=_UPLOADS_AT_ONCE)
    store_of(folder).put_file(str(source / last), _key(folder / last))


def delete(path: Path, *, first: str = "") -> None:
    """Deletes a file, or a folder with all that is below it; in a store the file `first` below it before the others."""
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
    """Every file below a folder, sorted; links are left out, and what goes while one looks. One listing of a store."""
    store = store_of(folder)
    if store is not None:
        found = store.find(_key(folder), detail=True)
        prefix = _key(folder).rstrip("/") + "/"
        return {
            folder / key.removeprefix(prefix): FileState(int(info["size"]), info["LastModified"].timestamp())
            for key, info in sorted(found.items())
            if key.startswith(prefix)
        }
    states = {}
    for path in sorted(folder.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if S_ISREG(status.st_mode):
            states[path] = FileState(status.st_size, status.st_mtime)
    return states


def sync(path: Path) -> None:
    """Flushes a file or a folder of this machine to disk."""
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
    """The error for a file that the system does not let us write."""
    return WriteError(
        f"{path}: it cannot be written ({reason}); see to the space and the permissions there, then run again."
    )


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except access_errors() as error:
        number = getattr(error, "errno", None)
        # A store's words say more than the number that s3fs finds for them.
        reason = os.strerror(number) if number and store_of(path) is None else str(error)
        raise write_error(path, reason) from error


def _key(path: Path) -> str:
    """The name of an object, as its store has it."""
    return str(cast(Any, path).path)
