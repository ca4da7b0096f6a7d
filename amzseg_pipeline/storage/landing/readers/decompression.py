"""The bytes of a text export, plain or decompressed from gzip or zstd, in bounded memory."""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from isal import igzip, isal_zlib

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.object_store import first_bytes
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SMALL_BYTES = 2**24
"""A file that expands to at most this size is harmless at any ratio."""

_CHUNK_BYTES = 2**20


def compression_of(path: Path) -> str:
    """gzip or zstd by the first bytes, "" for a plain file. RefusedInput where the file cannot be read."""
    with refuse_unreadable():
        magic = first_bytes(path, 4)
    if magic.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if magic == ZSTD_MAGIC else ""


@dataclass
class ContentHash:
    """The sha256 of a file's bytes; empty until they have been read."""

    sha256: str = ""


class _HashedReads(io.RawIOBase):
    """A stream that hashes what is read from it in order."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._stream.read(len(buffer))
        self._digest.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def sha256(self) -> str:
        """The sha256 of the complete file; reads the rest of it."""
        while self.read(_CHUNK_BYTES):
            pass
        return self._digest.hexdigest()


def decompressed_chunks(path: Path, settings: Settings, *, content_hash: ContentHash | None = None) -> Iterator[bytes]:
    """The text's bytes in chunks of at most one mebibyte, decompressed from gzip (of any member count) or zstd.

    `content_hash` gets the sha256 of the file itself. RefusedInput where a compressed file is damaged, cut, or expands
    beyond the limits of `settings`; decompression stops one chunk above them.
    """
    compression = compression_of(path)
    with refuse_unreadable(), path.open("rb") as file:
        hashed = _HashedReads(file) if content_hash else None
        stream: Any = hashed or file
        if compression == "gzip":
            with igzip.open(stream) as expanded:  # the same bytes as gzip gives, in a third of the time
                yield from _limited_chunks(lambda: _gzip_chunk(expanded), "gzip", path, settings)
        elif compression == "zstd":
            with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as decompressed:
                yield from _limited_chunks(lambda: _zstd_chunk(decompressed), "zstd", path, settings)
        else:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk
        if content_hash and hashed:
            content_hash.sha256 = hashed.sha256()


def _limited_chunks(
    next_chunk: Callable[[], bytes], compression: str, path: Path, settings: Settings
) -> Iterator[bytes]:
    size_bytes = path.stat().st_size
    ceiling = int(min(max(size_bytes * settings.max_expansion_ratio, SMALL_BYTES), settings.max_expanded_bytes))
    expanded_bytes = 0
    while chunk := next_chunk():
        expanded_bytes += len(chunk)
        if expanded_bytes > ceiling:
            raise RefusedInput(
                f"the {compression} file of {size_bytes:,} bytes expands to more than {ceiling:,}; deliver it in "
                "smaller files, or raise max_expansion_ratio or max_expanded_bytes."
            )
        yield chunk


def _gzip_chunk(stream: gzip.GzipFile) -> bytes:
    try:
        return stream.read(_CHUNK_BYTES)
    except EOFError as error:
        raise RefusedInput("the gzip file looks cut: its end is missing; deliver it again.") from error
    except (gzip.BadGzipFile, isal_zlib.error) as error:  # type: ignore[misc]  # its stub declares an instance
        raise RefusedInput(f"the gzip file is damaged ({error}); deliver it again.") from error


def _zstd_chunk(stream: pa.NativeFile) -> bytes:
    try:
        chunk: bytes = stream.read(_CHUNK_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise RefusedInput(f"the zstd file is damaged or cut ({error}); deliver it again.") from error
    return chunk
