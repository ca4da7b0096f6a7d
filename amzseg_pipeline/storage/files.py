"""Files that appear whole or not at all.

No formats here: what is in a file is the business of the module that writes it.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amzseg_pipeline.contracts.errors import WriteError

_HASH_CHUNK_BYTES = 2**20


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary sibling to write to; flushed to disk, it takes the place of `path` when the block ends well.

    After an error the sibling is deleted and `path` is as it was. A sibling left by a killed process starts with a dot
    and is overwritten by the next write. Raises WriteError where the system refuses, in the block too.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise write_error(path, os.strerror(error.errno) if error.errno else str(error)) from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """As whole_file, for a folder and all files in it: an empty one to write to, which takes the place of `folder`."""
    temporary = folder.with_name(f".{folder.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            for path in (*temporary.rglob("*"), temporary):
                sync(path)
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, os.strerror(error.errno) if error.errno else str(error)) from error


def sync(path: Path) -> None:
    """Flushes a file or a folder to disk."""
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
