"""An export file, its type and its column names or keys, detected from its first bytes or its Parquet footer."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.parquet import is_parquet, parquet_footer
from amzseg_pipeline.storage.landing.guards.text import checked_head
from amzseg_pipeline.storage.landing.readers.decompression import decompressed_chunks, is_gzip

FileType = Literal["CSV", "JSON Lines", "parquet"]

_HEAD_BYTES = 2**20
_JSON_LINES = 100


@dataclass(frozen=True)
class Export:
    """An export as its readers get it.

    `names` are its column names, or for JSON Lines the keys of each of the first objects. `footer` is that of a
    Parquet file, parsed once.
    """

    path: Path
    settings: Settings
    file_type: FileType
    names: tuple[tuple[str, ...], ...]
    footer: pq.FileMetaData | None = None


def opened_export(path: Path, settings: Settings) -> Export:
    """The export at `path`. RefusedInput for archives, binary formats, UTF-16 and JSON arrays."""
    if is_parquet(path):
        footer = parquet_footer(path)
        return Export(path, settings, "parquet", (tuple(footer.schema.to_arrow_schema().names),), footer)
    head = b""
    for chunk in decompressed_chunks(path, settings):
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    head = checked_head(head)
    first = head.lstrip()[:1]
    if first == b"{":
        return Export(path, settings, "JSON Lines", tuple(_keys(head)) or ((),))
    if first == b"[":
        raise RefusedInput("this is a JSON array; deliver JSON Lines, one object per line.")
    if is_gzip(path):
        raise RefusedInput("this gzip file does not contain JSON Lines; deliver the plain text file instead.")
    return Export(path, settings, "CSV", (csv_names(head),))


def csv_names(head: bytes) -> tuple[str, ...]:
    """The column names in the header of a CSV that begins with `head`."""
    line = head.splitlines()[0] if head.splitlines() else b""
    try:
        return tuple(next(csv.reader([line.decode("utf-8", "replace")]), []))
    except csv.Error:
        return ()


def _keys(head: bytes) -> Iterator[tuple[str, ...]]:
    """The keys of each of the first lines that is an object; the last line of the head may be cut."""
    for line in head.splitlines()[:_JSON_LINES]:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield tuple(record)
