"""What kind of file an export is and which columns or keys it has, told from its first bytes or its footer.

Which format that is, and whether the rest of the file is whole, is seen elsewhere.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.export_format import Medium
from amzseg_pipeline.storage.landing.guards.parquet import is_parquet, parquet_schema
from amzseg_pipeline.storage.landing.guards.text import checked_head
from amzseg_pipeline.storage.landing.readers.decompression import is_gzip, unpacked_chunks

_HEAD_BYTES = 2**20
_JSON_LINES = 100


@dataclass(frozen=True)
class Head:
    """How an export begins. `names` are those of its columns; of JSON Lines, the keys of each of the first objects."""

    medium: Medium
    names: tuple[tuple[str, ...], ...]


def head_of(path: Path, settings: Settings) -> Head:
    """The head of the export at `path`. RefusedInput for archives, binary formats, UTF-16, and what is no table."""
    if is_parquet(path):
        return Head("parquet", (tuple(parquet_schema(path).names),))
    head = b""
    for chunk in unpacked_chunks(path, settings):
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    head = checked_head(head)
    first = head.lstrip()[:1]
    if first == b"{":
        return Head("JSON Lines", tuple(_keys(head)) or ((),))
    if first == b"[":
        raise RefusedInput("this is a JSON array; deliver JSON Lines, one object on each line.")
    if is_gzip(path):
        raise RefusedInput("this is a gzip file without JSON Lines in it; deliver the plain text file that is in it.")
    return Head("CSV", (csv_names(head),))


def csv_names(head: bytes) -> tuple[str, ...]:
    """The names in the header of a CSV that begins with `head`."""
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
