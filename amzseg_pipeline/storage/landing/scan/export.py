"""An export file, its type, delimiter, encoding and names, detected from its first bytes or its Parquet footer."""

import codecs
import csv
import json
import re
from ast import literal_eval
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import copied_file, staging_folder
from amzseg_pipeline.storage.fs.object_store import first_bytes, store_of
from amzseg_pipeline.storage.landing.guards.excel import EXCEL_MAGIC, sheet_names
from amzseg_pipeline.storage.landing.guards.parquet import PARQUET_MAGIC, is_parquet, parquet_footer
from amzseg_pipeline.storage.landing.guards.text import checked_head, is_utf_16, printable, refuse_unreadable
from amzseg_pipeline.storage.landing.readers.decompression import ContentHash, compression_of, decompressed_chunks
from amzseg_pipeline.storage.landing.scan.column_mapping import ColumnMapping, column_mapping

FileType = Literal["CSV", "JSON Lines", "JSON array", "Python literals", "Excel", "parquet"]
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}

MAX_LINE_BYTES = 4 * 2**20
"""The longest JSON record that is read."""

_HEAD_BYTES = 2**20
_HEAD_RECORDS = 100


@dataclass(frozen=True)
class Export:
    """An export as its readers get it.

    `names` are its column names, or the keys of each of the first objects, which `head_records` holds. `columns` maps
    the names of the format to those of the file; `mapping` is what a mapping file states. `footer` is that of a Parquet
    file, parsed once. `now` is the time of the run in seconds since 1970 UTC. Readers add to `assumptions` what they
    assume, once each. `content_hash` gets the sha256 of a file that is read as a stream. `is_copy` if `path` is that
    of a decompressed copy, which engines cannot read in place.
    """

    path: Path
    settings: Settings
    file_type: FileType
    names: tuple[tuple[str, ...], ...]
    now: float
    footer: pq.FileMetaData | None = None
    delimiter: str = ","
    is_utf_16: bool = False
    has_header: bool = True
    has_quotes: bool = True
    head_records: tuple[dict[str, Any], ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    mapping: ColumnMapping | None = None
    assumptions: list[str] = field(default_factory=list)
    content_hash: ContentHash | None = None
    is_copy: bool = False

    def assume(self, assumption: str) -> None:
        """Adds to `assumptions`, which people read, maybe in a terminal."""
        if (text := printable(assumption)) not in self.assumptions:
            self.assumptions.append(text)


def opened_export(path: Path, settings: Settings, *, now: float) -> Export:
    """The export at `path`. RefusedInput for archives, other binary formats, and JSON that is cut."""
    mapping = column_mapping(path)
    if is_parquet(path):
        footer = parquet_footer(path)
        names = tuple(footer.schema.to_arrow_schema().names)
        return Export(path, settings, "parquet", (names,), now, footer, mapping=mapping)
    chunks = decompressed_chunks(path, settings)
    head = _next_bytes(chunks, _HEAD_BYTES)
    if head.startswith(EXCEL_MAGIC) and not compression_of(path):
        names, unread = sheet_names(path, settings)
        export = Export(path, settings, "Excel", (names,), now, mapping=mapping)
        if unread:
            export.assume(unread)
        return export
    wide = is_utf_16(head)
    text = _decoded_utf_16(head) if wide else checked_head(head)
    if text.lstrip()[:1] not in (b"{", b"["):
        delimiter, names = csv_header(text, delimiter=mapping.delimiter if mapping else "")
        return Export(path, settings, "CSV", (names,), now, delimiter=delimiter, is_utf_16=wide, mapping=mapping)
    _refuse_json_of_another_form(text)
    file_type, records = _json_head(text)
    if not records:  # the first one may be long
        head += _next_bytes(chunks, MAX_LINE_BYTES)
        file_type, records = _json_head(_decoded_utf_16(head) if wide else checked_head(head))
    if not records:
        raise RefusedInput(
            f"no JSON object of at most {MAX_LINE_BYTES:,} bytes is at the start of the file; "
            "deliver an object for each record, one per line or in one array."
        )
    keys = tuple(map(tuple, records))
    return Export(path, settings, file_type, keys, now, is_utf_16=wide, head_records=records, mapping=mapping)


def _next_bytes(chunks: Iterator[bytes], size: int) -> bytes:
    """The next bytes: at least `size`, unless there are no more."""
    found = b""
    while len(found) < size and (chunk := next(chunks, b"")):
        found += chunk
    return found


_PANDAS_FIX = 'write it with to_json(path, orient="records", lines=True)'
_OTHER_JSON = (
    (re.compile(rb'\{\s*"[^"]*"\s*:\s*\{\s*"0"\s*:'), "one object per column, as pandas writes it", _PANDAS_FIX),
    (re.compile(rb'\{\s*"0"\s*:\s*\{'), "one object of numbered rows, as pandas writes it", _PANDAS_FIX),
    (
        re.compile(rb'\{\s*"(columns|index|schema)"\s*:\s*[\[{]'),
        "columns and data apart, as pandas writes it",
        _PANDAS_FIX,
    ),
    (re.compile(rb"\[\s*\["), "a list of lists without names", _PANDAS_FIX),
    (
        re.compile(rb'\{\s*"(data|reviews|records|results|items|rows)"\s*:\s*\[\s*\{'),
        "a list of objects inside an object",
        "deliver the list itself, or one object per line",
    ),
)
_MONGODB = re.compile(rb'"\$(numberLong|numberInt|numberDouble|numberDecimal|date)"')


def _refuse_json_of_another_form(head: bytes) -> None:
    """RefusedInput for JSON that holds records in a form that would be misread."""
    start = head[:4096].lstrip()
    for pattern, form, fix in _OTHER_JSON:
        if pattern.match(start):
            raise RefusedInput(f"the JSON is {form}; {fix}.")
    if _MONGODB.search(head.partition(b"\n")[0][:4096]):
        raise RefusedInput(
            "the values are MongoDB's extended JSON; export with --jsonFormat=relaxed, and dates as numbers."
        )


@contextmanager
def readable_export(path: Path, settings: Settings, *, now: float) -> Iterator[Export]:
    """As opened_export; an export in a store has a `content_hash`, and can be read by any reader within the block.

    Readers of CSV and Excel go through a file several times, so an object of these types is copied to the local folder
    and the copy is deleted at the end. Other types are read from the store, as a stream or in ranges. Excel and Parquet
    in a compressed file are decompressed to such a copy.
    """
    if compression_of(path) and next(decompressed_chunks(path, settings), b"").startswith((EXCEL_MAGIC, PARQUET_MAGIC)):
        with staging_folder() as folder:
            copy, content_hash = folder / path.name, ContentHash()
            with copy.open("wb") as target:
                target.writelines(decompressed_chunks(path, settings, content_hash=content_hash))
            packed = opened_export(copy, settings, now=now)
            yield replace(packed, is_copy=True, content_hash=content_hash, mapping=column_mapping(path))
        return
    if store_of(path) is None:
        yield opened_export(path, settings, now=now)
        return
    with refuse_unreadable():
        is_excel = first_bytes(path, len(EXCEL_MAGIC)) == EXCEL_MAGIC
    export = None if is_excel else opened_export(path, settings, now=now)
    if export and export.file_type != "CSV":
        yield replace(export, content_hash=ContentHash())
        return
    with staging_folder() as folder:
        copy = folder / path.name
        with refuse_unreadable():
            content_hash = ContentHash(copied_file(path, copy))
        if export is None:
            export = replace(opened_export(copy, settings, now=now), mapping=column_mapping(path))
        yield replace(export, path=copy, content_hash=content_hash)


def csv_header(head: bytes, *, delimiter: str = "") -> tuple[str, tuple[str, ...]]:
    """The delimiter of a CSV that begins with `head`, by default the one that gives most columns, and its names."""
    line = head.splitlines()[0].decode("utf-8", "replace") if head.splitlines() else ""
    headers = {candidate: _cells(line, candidate) for candidate in DELIMITERS}
    delimiter = delimiter or max(headers, key=lambda candidate: len(headers[candidate]))
    return delimiter, headers[delimiter]


def csv_names(head: bytes) -> tuple[str, ...]:
    """The column names in the header of a CSV that begins with `head`."""
    return csv_header(head)[1]


def _cells(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return ()


def _decoded_utf_16(head: bytes) -> bytes:
    encoding = "utf-16-be" if head.startswith(codecs.BOM_UTF16_BE) or head[:1] == b"\0" else "utf-16-le"
    return head[: len(head) // 2 * 2].decode(encoding, "replace").removeprefix("\ufeff").encode()


def _json_head(head: bytes) -> tuple[FileType, tuple[dict[str, Any], ...]]:
    """The type of a file that begins with a bracket, and its first objects."""
    lines = head.splitlines()[:_HEAD_RECORDS]
    if head.lstrip()[:1] == b"{":
        records = tuple(_json_objects(lines))
        if records:
            return "JSON Lines", records
        literals = tuple(_literal_objects(lines))
        if literals:
            return "Python literals", literals
    records = tuple(_objects_in_array(head))
    if records or head.lstrip()[:1] == b"[":
        return "JSON array", records
    return "JSON Lines", ()


def _json_objects(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    """The first lines that are objects; the last line of the head may be cut."""
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _literal_objects(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            record = literal_eval(line.decode("utf-8", "replace").strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _objects_in_array(head: bytes) -> Iterator[dict[str, Any]]:
    text = head.decode("utf-8", "replace").lstrip().removeprefix("[")
    decoder = json.JSONDecoder()
    for _ in range(_HEAD_RECORDS):
        text = text.lstrip().removeprefix(",").lstrip()
        try:
            record, end = decoder.raw_decode(text)
        except (ValueError, RecursionError):
            return
        if isinstance(record, dict):
            yield record
        text = text[end:]
