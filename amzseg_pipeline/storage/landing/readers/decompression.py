"""The bytes of a text export, plain or decompressed from gzip, in bounded memory."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

GZIP_MAGIC = b"\x1f\x8b"
SMALL_BYTES = 2**24
"""A file that expands to at most this size is harmless at any ratio."""

_CHUNK_BYTES = 2**20


def is_gzip(path: Path) -> bool:
    """Whether the file begins with the gzip magic bytes. RefusedInput where it cannot be read."""
    with refuse_unreadable(), path.open("rb") as stream:
        return stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def decompressed_chunks(path: Path, settings: Settings) -> Iterator[bytes]:
    """The text's bytes in chunks of at most one mebibyte, decompressed where the file is gzip (of any member count).

    RefusedInput where a gzip file is damaged, cut, or expands beyond the limits of `settings`; decompression stops one
    chunk above them.
    """
    with refuse_unreadable():
        if is_gzip(path):
            yield from _gunzipped_chunks(path, settings)
            return
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


def _gunzipped_chunks(path: Path, settings: Settings) -> Iterator[bytes]:
    size_bytes = path.stat().st_size
    ceiling = int(min(max(size_bytes * settings.max_expansion_ratio, SMALL_BYTES), settings.max_expanded_bytes))
    expanded_bytes = 0
    with gzip.open(path) as stream:
        while chunk := _next_chunk(stream):
            expanded_bytes += len(chunk)
            if expanded_bytes > ceiling:
                raise RefusedInput(
                    f"the gzip file of {size_bytes:,} bytes expands to more than {ceiling:,}; deliver it in smaller "
                    "files, or raise max_expansion_ratio or max_expanded_bytes."
                )
            yield chunk


def _next_chunk(stream: gzip.GzipFile) -> bytes:
    try:
        return stream.read(_CHUNK_BYTES)
    except EOFError as error:
        raise RefusedInput("the gzip file looks cut: its end is missing; deliver it again.") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise RefusedInput(f"the gzip file is damaged ({error}); deliver it again.") from error
