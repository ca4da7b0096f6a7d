"""Whether a parquet file can be read: whole, of a bearable size and of the right types, told before any page is read.

No rows here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.parquet_pages import unpacked_bytes
from amzseg_pipeline.storage.landing.guards.text import reading
from amzseg_pipeline.storage.landing.readers.decompression import SMALL_BYTES

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class ColumnTypeCheck:
    """The types a column may have, and how a message calls them."""

    words: str
    accepts: Callable[[pa.DataType], bool]


def _is_text(kind: pa.DataType) -> bool:
    if pt.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind)) and (
        _is_text(kind.value_type) or pt.is_null(kind.value_type)
    )


TEXT = ColumnTypeCheck("text", lambda kind: _is_text(kind))
NUMBER = ColumnTypeCheck("a number", lambda kind: _is_number(kind))
WHOLE_NUMBER = ColumnTypeCheck("a whole number", lambda kind: bool(pt.is_integer(kind)))
ID = ColumnTypeCheck("text or a whole number", lambda kind: _is_text(kind) or pt.is_integer(kind))
VALUE = ColumnTypeCheck("text or a number", lambda kind: _is_text(kind) or _is_number(kind) or pt.is_null(kind))
TIME = ColumnTypeCheck("text, a whole number or a timestamp", lambda kind: VALUE.accepts(kind) or pt.is_temporal(kind))
TEXTS = ColumnTypeCheck("a list of texts", lambda kind: _is_list(kind) or pt.is_null(kind))


def is_parquet(path: Path) -> bool:
    """Whether the file begins as a parquet file does. RefusedInput where it cannot be read."""
    with reading(), path.open("rb") as stream:
        return stream.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def parquet_schema(path: Path) -> pa.Schema:
    """The columns of the file with their Arrow types. RefusedInput where its footer is damaged or missing."""
    try:
        return _footer(path).schema.to_arrow_schema()
    except pa.ArrowException as error:
        raise damaged_parquet(error) from error


def parquet_rows(path: Path, settings: Settings, *, kinds: Mapping[str, ColumnTypeCheck]) -> int:
    """The number of rows, once it is seen that the columns in `kinds` are of them and within the settings' ceilings.

    What the footer says of sizes is not believed: the headers of the pages are. A row counts as a byte at least: a
    column of one value packs any number of rows into nothing.
    """
    schema = parquet_schema(path)
    for name, kind in kinds.items():
        if name in schema.names and not kind.accepts(schema.field(name).type):
            raise RefusedInput(f"column {name} is {schema.field(name).type}; write it as {kind.words}.")
    footer = _footer(path)
    rows = sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    if rows != footer.num_rows:
        raise damaged_parquet(ValueError(f"its footer tells of {footer.num_rows:,} rows and of {rows:,}"))
    if rows == 0:
        raise RefusedInput("the file has columns and no rows; deliver it whole, or take it away.")
    chunks = [
        footer.row_group(group).column(column)
        for group in range(footer.num_row_groups)
        for column in range(footer.num_columns)
    ]
    read = [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in kinds]
    try:
        told_bytes = sum(chunk.total_uncompressed_size for chunk in read)
        unpacked = max(told_bytes, unpacked_bytes(path, read), rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_parquet(error) from error
    size_bytes = path.stat().st_size
    ceiling = int(max(size_bytes * settings.max_expansion_ratio, SMALL_BYTES))
    if unpacked > min(ceiling, settings.max_expanded_bytes):
        raise RefusedInput(
            f"the parquet file of {size_bytes:,} bytes unpacks to {unpacked:,} in {rows:,} rows; "
            "deliver it in smaller files, or raise max_expansion_ratio or max_expanded_bytes."
        )
    return int(rows)


def damaged_parquet(error: Exception) -> RefusedInput:
    """The refusal of a parquet file that a reader cannot read."""
    words = (str(error).splitlines() or [type(error).__name__])[0]
    return RefusedInput(f"the parquet file is damaged or cut ({words}); deliver it whole.")


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(error) from error
