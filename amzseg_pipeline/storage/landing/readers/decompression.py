"""The bytes of a text export as they come, plain or out of a .gz, in bounded memory.

Nothing is known here of what the bytes say.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.text import reading

GZIP_MAGIC = b"\x1f\x8b"
SMALL_BYTES = 2**24
"""A file that unpacks to no more than this is no danger, whatever its ratio."""

_CHUNK_BYTES = 2**20
_GZIP_WINDOW = 31


def is_gzip(path: Path) -> bool:
    """Whether the file is packed, told by its first bytes. RefusedInput where it cannot be read."""
    with reading(), path.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def unpacked_chunks(path: Path, settings: Settings) -> Iterator[bytes]:
    """The text's bytes in chunks of at most a mebibyte, unpacked where the file is a .gz of one or more members.

    RefusedInput where a .gz is damaged or cut, or unpacks to more than the ceilings of `settings`; no more than a
    chunk above them is unpacked.
    """
    is_packed = is_gzip(path)
    with reading(), path.open("rb") as stream:
        if is_packed:
            size_bytes = path.stat().st_size
            ceiling = int(max(size_bytes * settings.max_expansion_ratio, SMALL_BYTES))
            yield from _gunzipped(stream, ceiling=min(ceiling, settings.max_expanded_bytes), size_bytes=size_bytes)
        else:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


def _gunzipped(stream: BinaryIO, *, ceiling: int, size_bytes: int) -> Iterator[bytes]:
    unpacked_bytes = 0
    member = None
    packed = b""
    while packed or (packed := stream.read(_CHUNK_BYTES)):
        if member is None:
            packed = packed.lstrip(b"\0")  # zeros may pad the file after a member
            if not packed:
                continue
            member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            chunk = member.decompress(packed, _CHUNK_BYTES)
        except zlib.error as error:
            raise RefusedInput(f"the gzip file is damaged ({error}); deliver it again.") from error
        unpacked_bytes += len(chunk)
        if unpacked_bytes > ceiling:
            raise RefusedInput(
                f"the gzip file of {size_bytes:,} bytes unpacks to more than {ceiling:,}; deliver it in smaller files, "
                "or raise max_expansion_ratio or max_expanded_bytes."
            )
        if chunk:
            yield chunk
        packed = member.unused_data if member.eof else member.unconsumed_tail
        if member.eof:
            member = None
    if member is not None:
        raise RefusedInput("the gzip file looks cut: its end is missing; deliver it whole.")
