"""Searches files for the ids of a user, each file as its format says where ids are.

Exports: the id column of their reader. Parquet tables: the values of user_id. No other file has ids,
so their bytes, and the values of SQLite databases, are searched for the text of an id, if it is distinctive: a `42` in
a report is no user. A table or database that is too damaged to be searched counts as containing the id.
"""

import gzip
import html
import json
import re
import sqlite3
import time
import unicodedata
import zlib
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import pyarrow as pa

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.erasure.user_ids import MAX_ID_BYTES, USER_COLUMN, matching_ids, user_columns
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.landing.formats.detection import format_of
from amzseg_pipeline.storage.landing.readers.pseudonymized import parsed_rows
from amzseg_pipeline.storage.landing.scan.export import readable_export
from amzseg_pipeline.storage.landing.scan.listing import SIDECAR_SUFFIXES

_CHUNK_BYTES = 2**20
_MIN_DISTINCTIVE_CHARACTERS = 8
_LONGEST_ENCODING = 6
"""Bytes of an encoded id for each of its own: `\\u00e9` in JSON, `%C3` in addresses, `&#x27;` in HTML."""

_OVERLAP_BYTES = 2 * _LONGEST_ENCODING * MAX_ID_BYTES
_PART_BEFORE = re.compile(rb"[0-9A-Za-z_\x80-\xff][-.@+]?\Z")
_PART_AFTER = re.compile(rb"[-.@+]?[0-9A-Za-z_\x80-\xff]")
"""What makes a text a part of a longer id: `anna` is in `anna, bob` and `"anna"`, but not in `anna-1`."""


@dataclass(frozen=True)
class ExportSearch:
    """Exports that contain the user, and what could not be searched: single records, and files that no reader accepts.

    The text of `refused` files was searched, which finds neither short ids nor those in compressed or damaged parts.
    """

    containing: tuple[Path, ...]
    unreadable_records: int
    refused: tuple[Path, ...] = ()


def search_exports(landing: Path, user_id: str, settings: Settings) -> ExportSearch:
    """Searches every file below `landing` for the normalised id `user_id`."""
    containing, refused, unreadable = [], [], 0
    for path in files_below(landing):
        if path.name.endswith(SIDECAR_SUFFIXES):
            continue
        try:
            found, damaged = _is_in_export(path, user_id, settings)
        except RefusedInput:
            found, damaged = _is_in_text(path, _pattern([user_id])), 0
            refused.append(path)
        unreadable += damaged
        if found:
            containing.append(path)
    return ExportSearch(tuple(containing), unreadable, tuple(refused))


def files_containing(ids: Collection[str], folder: Path, *, without: Path | None = None) -> list[Path]:
    """The files below `folder`, except below `without`, that contain one of the normalised `ids`; links are skipped."""
    pattern, wanted = _pattern(ids), frozenset(ids)
    paths = (path for path in files_below(folder) if not (without and str(path).startswith(f"{without}/")))
    return [path for path in paths if _contains(path, wanted, pattern)]


def _contains(path: Path, wanted: frozenset[str], pattern: re.Pattern[bytes] | None) -> bool:
    try:
        return _is_in_table(path, wanted) or _is_in_text(path, pattern) or _is_in_database(path, pattern)
    except FileNotFoundError:
        return False  # it was deleted meanwhile, as pruning does


def _is_in_export(path: Path, user_id: str, settings: Settings) -> tuple[bool, int]:
    """Whether the export contains the user, and how many of its records its reader cannot read."""
    damaged = 0
    with readable_export(path, settings, now=time.time()) as opened:
        for rows in parsed_rows(*format_of(opened)):
            if USER_COLUMN not in rows.column_names:
                return False, 0
            if matching_ids([rows[USER_COLUMN]], frozenset((user_id,))):
                return True, damaged
            if "read_error" in rows.column_names:
                damaged += len(rows) - rows["read_error"].null_count
    return False, damaged


def _is_in_table(path: Path, wanted: frozenset[str]) -> bool:
    try:
        return _starts_with(path, b"PAR1") and bool(matching_ids(user_columns(path), wanted))
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError):
        return True  # damaged: a killed process left it


def _is_in_database(path: Path, pattern: re.Pattern[bytes] | None) -> bool:
    """Searches the values, because SQLite divides a long one among pages."""
    if pattern is None or store_of(path) is not None or not _starts_with(path, b"SQLite format 3\0"):
        return False
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as database:
            database.text_factory = bytes
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            rows = (row for (name,) in names for row in database.execute(f'SELECT * FROM "{name.decode()}"'))
            texts = (b"\n" + value + b"\n" for row in rows for value in row if isinstance(value, bytes))
            return any(_is_entire(match) for text in texts for match in pattern.finditer(text, 1))
    except sqlite3.Error:
        return True


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _is_in_text(path: Path, pattern: re.Pattern[bytes] | None) -> bool:
    if pattern is None:
        return False
    with BufferedReader(cast(Any, path.open("rb"))) as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if _is_in_bytes(stream, pattern):
            return True
        if not is_gzip:
            return False
        stream.seek(0)
        with gzip.open(stream) as decompressed:
            return _is_in_bytes(decompressed, pattern)


def _is_in_bytes(stream: BufferedReader | gzip.GzipFile, pattern: re.Pattern[bytes]) -> bool:
    """Searches overlapping chunks: an id cut by the end of one chunk is complete in the next."""
    piece = b"\n"
    try:
        while chunk := stream.read1(_CHUNK_BYTES):
            piece = piece[-_OVERLAP_BYTES:] + chunk
            if any(match.end() + 2 <= len(piece) and _is_entire(match) for match in pattern.finditer(piece, 1)):
                return True
    except (OSError, EOFError, zlib.error):
        pass  # nothing after the damage can be decompressed
    return any(map(_is_entire, pattern.finditer(piece + b"\n", 1)))


def _is_entire(match: re.Match[bytes]) -> bool:
    """Whether the id that was found is not part of a longer one."""
    start, end, text = match.start(), match.end(), match.string
    return not (_PART_BEFORE.search(text[max(0, start - 2) : start]) or _PART_AFTER.match(text[end : end + 2]))


def _pattern(ids: Collection[str]) -> re.Pattern[bytes] | None:
    """Finds the distinctive ones of `ids` in any of their encodings; None if there are none."""
    encodings = {each for user_id in ids if _is_distinctive(user_id) for each in _encodings(user_id)}
    if not encodings:
        return None
    return re.compile(b"|".join(re.escape(each) for each in sorted(encodings)))


def _is_distinctive(user_id: str) -> bool:
    """Whether a text equal to the id is hardly anything else: a price, a count or a name could equal a shorter one."""
    return len(user_id) >= _MIN_DISTINCTIVE_CHARACTERS and not user_id.isdecimal() and not user_id.isalpha()


def _encodings(user_id: str) -> Iterator[bytes]:
    for text in (user_id, unicodedata.normalize("NFD", user_id)):
        yield text.encode()
        yield json.dumps(text)[1:-1].encode()
        yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
        yield html.escape(text).encode()
        yield quote(text).encode()
        yield text.replace("'", "''").encode()
        yield text.replace('"', '""').encode()
