"""Checks of a Parquet file before its pages are read: is it complete, of acceptable size and of the right types?"""

import glob
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.object_store import DuckDBReads, access_errors, first_bytes, store_of
from amzseg_pipeline.storage.fs.object_store import footer as footer_of
from amzseg_pipeline.storage.landing.guards.parquet_pages import uncompressed_page_bytes
from amzseg_pipeline.storage.landing.guards.text import NoRecords, refuse_unreadable
from amzseg_pipeline.storage.landing.readers.decompression import SMALL_BYTES

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class ColumnTypeCheck:
    """The Arrow types that a column may have, and their name in messages."""

    label: str
    accepts: Callable[[pa.DataType], bool]


def _is_text(data_type: pa.DataType) -> bool:
    if pt.is_dictionary(data_type):
        return _is_text(data_type.value_type)
    return bool(pt.is_string(data_type) or pt.is_large_string(data_type) or pt.is_string_view(data_type))


def _is_number(data_type: pa.DataType) -> bool:
    return bool(pt.is_integer(data_type) or pt.is_floating(data_type) or pt.is_decimal(data_type))


def _is_text_list(data_type: pa.DataType) -> bool:
    return bool(pt.is_list(data_type) or pt.is_large_list(data_type)) and (
        _is_text(data_type.value_type) or pt.is_null(data_type.value_type)
    )


TEXT = ColumnTypeCheck("text", _is_text)
NUMBER = ColumnTypeCheck("a number", _is_number)
INTEGER = ColumnTypeCheck("an integer", lambda data_type: bool(pt.is_integer(data_type)))
ID = ColumnTypeCheck("text or an integer", lambda data_type: _is_text(data_type) or pt.is_integer(data_type))
VALUE = ColumnTypeCheck(
    "text or a number", lambda data_type: _is_text(data_type) or _is_number(data_type) or pt.is_null(data_type)
)
TIME = ColumnTypeCheck(
    "text, an integer, a date or a timestamp",
    lambda data_type: VALUE.accepts(data_type) or pt.is_timestamp(data_type) or pt.is_date(data_type),
)
TEXT_LIST = ColumnTypeCheck("a list of texts", lambda data_type: _is_text_list(data_type) or pt.is_null(data_type))


def is_parquet(path: Path) -> bool:
    """Whether the file begins with the Parquet magic bytes. RefusedInput where it cannot be read."""
    with refuse_unreadable():
        return first_bytes(path, len(PARQUET_MAGIC)) == PARQUET_MAGIC


def parquet_footer(path: Path) -> pq.FileMetaData:
    """The footer of the file. RefusedInput where it is damaged or missing, or its schema is not one of Arrow's."""
    try:
        footer = footer_of(path)
        _ = footer.schema.to_arrow_schema().names, [chunk.path_in_schema for chunk in _chunks(footer)]
    except access_errors(pa.ArrowException, UnicodeDecodeError) as error:
        raise damaged_parquet(error) from error
    return footer


def checked_row_count(
    path: Path, footer: pq.FileMetaData, settings: Settings, *, column_types: Mapping[str, ColumnTypeCheck]
) -> int:
    """The number of rows, after checking the types and the uncompressed size of the columns in `column_types`.

    Sizes come from the page headers, because no reader depends on those in the footer. Each row counts as at least one
    byte: a column with a single value compresses any number of rows to almost nothing.

    Args:
        path: The Parquet file.
        footer: Its footer, as by `parquet_footer`.
        settings: `max_expansion_ratio` and `max_expanded_bytes` limit the uncompressed size.
        column_types: The types allowed for each column that is read; other columns are not checked.

    Raises:
        RefusedInput: A type is not allowed, the file is damaged, has no rows, or expands beyond the limits.
    """
    schema = footer.schema.to_arrow_schema()
    for name, column_type in column_types.items():
        if name in schema.names and not column_type.accepts(schema.field(name).type):
            raise RefusedInput(f"column {name} is {schema.field(name).type}; write it as {column_type.label}.")
    rows = sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    if rows != footer.num_rows:
        raise damaged_parquet(ValueError(f"its footer states {footer.num_rows:,} rows and its row groups {rows:,}"))
    if rows == 0:
        raise NoRecords("the file has columns but no rows; deliver it again or remove it.")
    read_chunks = [chunk for chunk in _chunks(footer) if chunk.path_in_schema.partition(".")[0] in column_types]
    try:
        stated_bytes = sum(chunk.total_uncompressed_size for chunk in read_chunks)
        expanded_bytes = max(stated_bytes, uncompressed_page_bytes(path, read_chunks), rows)
    except access_errors(pa.ArrowException, ValueError) as error:
        raise damaged_parquet(error) from error
    size_bytes = path.stat().st_size
    ceiling = int(max(size_bytes * settings.max_expansion_ratio, SMALL_BYTES))
    if expanded_bytes > min(ceiling, settings.max_expanded_bytes):
        raise RefusedInput(
            f"the parquet file of {size_bytes:,} bytes expands to {expanded_bytes:,} in {rows:,} rows; "
            "deliver it in smaller files, or raise max_expansion_ratio or max_expanded_bytes."
        )
    return int(rows)


def _chunks(footer: pq.FileMetaData) -> list[pq.ColumnChunkMetaData]:
    groups = map(footer.row_group, range(footer.num_row_groups))
    return [group.column(column) for group in groups for column in range(footer.num_columns)]


def check_engine_can_open(path: Path) -> None:
    """RefusedInput where DuckDB cannot parse the footer: it is stricter than Arrow."""
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            store = store_of(path)
            [name] = [glob.escape(str(path))] if store is None else DuckDBReads(connection, store).names([path])
            connection.execute("SELECT count(*) FROM read_parquet(?)", [name])
    except duckdb.Error as error:
        raise damaged_parquet(error) from error


def damaged_parquet(error: Exception) -> RefusedInput:
    """The refusal of a Parquet file that a reader cannot read."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return RefusedInput(f"the parquet file is damaged or cut ({reason}); deliver it again.")
