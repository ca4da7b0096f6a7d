"""Checks that a file can be opened and is complete text, before a parser reads it.

Parsers accept half a file as a complete one, and skip bytes that are not text.
"""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.object_store import access_errors

UNPRINTABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
"""Control characters, which a terminal may take for commands, and what is not text."""

_CHUNK_BYTES = 2**20
_TAR_MAGIC_AT = 257
_OTHER_FORMATS = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook (.xls)", "save it as .xlsx or CSV"),
    b"ARROW1": ("an Arrow or Feather file", "write it as Parquet"),
    b"\xff\xff\xff\xff": ("an Arrow stream, as datasets of Hugging Face are saved", "write it with to_parquet"),
    b"Obj\x01": ("an Avro file", "write it as Parquet"),
    b"SQLite format 3": ("an SQLite database", "export its table as CSV"),
    b"\x89HDF": ("an HDF5 file", "write it as Parquet"),
    b"\x80\x04": ("a Python pickle, which is never loaded", "write it as Parquet or CSV"),
    b"\x80\x05": ("a Python pickle, which is never loaded", "write it as Parquet or CSV"),
    b"RDX3": ("an R data file", "write it with write.csv(row.names = FALSE)"),
    b"version https://git-lfs": ("a Git LFS pointer, not the file", "fetch the file with git lfs pull"),
    b"<!doctype html": ("a web page, not an export", "download the file again, signed in if it asks for it"),
    b"<html": ("a web page, not an export", "download the file again, signed in if it asks for it"),
    b"<?xml": ("XML", "export it as CSV, Excel (.xlsx) or JSON"),
    b"sep=": ("a CSV that begins with Excel's line sep=", "remove that line"),
}
"""First bytes in lower case -> what the file is, and the fix."""

_BINARY_FORMATS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook in a compressed file",
    b"PAR1": "a compressed parquet file",
    b"\x1f\x8b": "a gzip file in a gzip file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file in a compressed file",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a rar archive",
}


class NotUtf8(RefusedInput):
    """A text that is not UTF-8."""


@contextmanager
def refuse_unreadable() -> Iterator[None]:
    """Turns an error of the disk or the store into a RefusedForNow. The block must only read a landing file."""
    try:
        yield
    except FileNotFoundError as error:
        raise RefusedForNow(
            "it was deleted while it was being read; deliver it again, or run again without it."
        ) from error
    except IsADirectoryError as error:
        raise RefusedForNow("it is a folder; move its files up, or rename it.") from error
    except PermissionError as error:
        raise RefusedForNow("no permission to read it; let the pipeline's user read it (chmod a+r).") from error
    except access_errors() as error:
        reason = getattr(error, "strerror", None) or error
        raise RefusedForNow(f"it cannot be read ({reason}); deliver it again.") from error


def check_size(size_bytes: int, settings: Settings) -> None:
    """RefusedInput where the file is empty or larger than `max_file_bytes`; the file is not opened."""
    if size_bytes == 0:
        raise NoRecords("the file is empty; deliver it again or remove it.")
    if size_bytes > settings.max_file_bytes:
        raise RefusedInput(
            f"{size_bytes:,} bytes are more than max_file_bytes = {settings.max_file_bytes:,}; "
            "deliver it in smaller files, or raise the setting."
        )


def checked_head(head: bytes) -> bytes:
    """The first bytes of a text without a UTF-8 byte order mark. RefusedInput for archives and binary formats."""
    for magic, name in _BINARY_FORMATS.items():
        if head.startswith(magic):
            raise RefusedInput(f"this is {name}, which cannot be read; deliver the plain text file inside it.")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:32].lower()
    for magic, (name, fix) in _OTHER_FORMATS.items():
        if start.startswith(magic.lower()):
            raise RefusedInput(f"this is {name}; {fix}.")
    if head[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        raise RefusedInput("this is a tar archive, which cannot be read; deliver the plain text file inside it.")
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise RefusedInput("the text is UTF-32; save it as UTF-8.")
    return head.removeprefix(codecs.BOM_UTF8)


def is_utf_16(head: bytes) -> bool:
    """Whether a text that begins with `head` is UTF-16, with or without a byte order mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return not head.startswith(codecs.BOM_UTF32_LE)
    return [byte == 0 for byte in head[:4]] in ([False, True] * 2, [True, False] * 2)


class NoRecords(RefusedInput):
    """An export without a record."""


def text_chunks(stream: BinaryIO, *, needs_end: bool = True) -> Iterator[tuple[int, bytes]]:
    """The stream's bytes without a byte order mark, in checked chunks with their offset.

    RefusedInput, naming line and byte, for a NUL, for bytes that are not UTF-8, for a cut character at the end, and, if
    the text `needs_end`, for a last line without a line end.
    """
    offset = 0
    undecoded = last = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if (nul := chunk.find(0)) >= 0:
            raise refusal_at(stream, offset + nul, "a NUL byte, which text does not contain; export the file again")
        try:
            _, decoded_bytes = codecs.utf_8_decode(undecoded + chunk, "strict", False)
        except UnicodeDecodeError as error:
            at, byte = offset - len(undecoded) + error.start, error.object[error.start]
            reason = f"byte 0x{byte:02X} is not UTF-8; save the export as UTF-8"
            raise NotUtf8(str(refusal_at(stream, at, reason))) from None
        undecoded = (undecoded + chunk)[decoded_bytes:]
        mark_bytes = len(codecs.BOM_UTF8) if offset == 0 and chunk.startswith(codecs.BOM_UTF8) else 0
        yield offset + mark_bytes, chunk[mark_bytes:]
        offset += len(chunk)
        last = chunk[-1:]
    if undecoded or (needs_end and last not in (b"\n", b"\r")):
        raise RefusedInput(
            f"the file looks cut: the last record (line {_line(stream, offset):,}) has no line end; deliver it again, "
            "or, if it is complete, add the line end (Google Sheets writes none)."
        )


def refusal_at(stream: BinaryIO, offset: int, reason: str) -> RefusedInput:
    """A RefusedInput that names the line and the byte at `offset`; moves the stream."""
    return RefusedInput(f"line {_line(stream, offset):,} (byte {offset:,} of the file, counted from 0): {reason}.")


def _line(stream: BinaryIO, offset: int) -> int:
    """The number of the line that the byte at `offset` is on, the first being 1."""
    stream.seek(0)
    line = 1
    while offset > 0 and (chunk := stream.read(min(_CHUNK_BYTES, offset))):
        line += chunk.count(b"\n")
        offset -= len(chunk)
    return line


def printable(text: str) -> str:
    """The text with escapes for UNPRINTABLE characters."""
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)
