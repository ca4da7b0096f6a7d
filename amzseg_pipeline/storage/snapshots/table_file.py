"""A published table as a Parquet file: checked against its contract, and the same bytes for the same rows."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema

ROW_GROUP_ROWS = 2**17
"""Rows of every row group but the last, whatever the sizes of the batches. This many are in memory at a time."""


def write_table_file(path: Path, table: Table, *, batches: Iterable[pa.RecordBatch]) -> int:
    """Writes `batches` to `path` and returns the number of rows.

    Raises TableError when columns or types are not the contract's, a value is null, not finite or out of its range
    where the contract forbids it, or a row's key is not greater than the one before. Text is ordered by its UTF-8
    bytes, as in Arrow, DuckDB and Polars. Messages contain row numbers, never values.
    """
    schema = arrow_schema(table)
    rows = 0
    last_key: pa.Table | None = None
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name not in table.key],
        sorting_columns=pq.SortingColumn.from_ordering(schema, [(name, "ascending") for name in table.key]) or None,
    ) as writer:
        for group in _row_groups(_typed(batch, table, schema) for batch in batches):
            _check_values(group, table, rows)
            last_key = _checked_order(group, table, rows, last_key)
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
            rows += group.num_rows
    return rows


def _typed(batch: pa.RecordBatch, table: Table, schema: pa.Schema) -> pa.Table:
    found = batch.schema.names
    if sorted(found) != sorted(table.column_names):
        missing = sorted(set(table.column_names) - set(found)) or "none"
        unknown = sorted(name for name in found if name not in table.column_names or found.count(name) > 1) or "none"
        raise _broken(table, f"its columns are not the contract's: missing {missing}, unknown or repeated {unknown}")
    for field in schema:
        type_ = batch.schema.field(field.name).type
        if not (type_ == field.type or pa.types.is_null(type_) or (pa.types.is_string(field.type) and _is_text(type_))):
            raise _broken(table, f"column {field.name} is of type {type_} and must be {field.type}")
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        return _is_text(type_.value_type)
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _row_groups(batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows in tables of ROW_GROUP_ROWS, the last one shorter, whatever the sizes of the batches."""
    buffered: list[pa.Table] = []
    buffered_rows = 0
    for batch in batches:
        buffered.append(batch)
        buffered_rows += batch.num_rows
        while buffered_rows >= ROW_GROUP_ROWS:
            rows = pa.concat_tables(buffered)
            yield rows.slice(0, ROW_GROUP_ROWS).combine_chunks()
            buffered = [rows.slice(ROW_GROUP_ROWS)]
            buffered_rows -= ROW_GROUP_ROWS
    if buffered_rows:
        yield pa.concat_tables(buffered).combine_chunks()


def _check_values(group: pa.Table, table: Table, rows_before: int) -> None:
    location = f"in rows {rows_before + 1} to {rows_before + group.num_rows}"
    for column in table.columns:
        values = group.column(column.name)
        if values.null_count and not column.nullable:
            raise _broken(table, f"column {column.name} has {values.null_count} nulls {location}, but must not be null")
        if column.type == "float64" and not pc.all(pc.is_finite(values), min_count=0).as_py():
            raise _broken(
                table, f"column {column.name} has values {location} that are not finite; write null for a missing value"
            )
        if column.minimum is not None and pc.any(pc.less(values, column.minimum)).as_py():
            raise _broken(table, f"column {column.name} has values {location} below {column.minimum}")
        if column.maximum is not None and pc.any(pc.greater(values, column.maximum)).as_py():
            raise _broken(table, f"column {column.name} has values {location} above {column.maximum}")


def _checked_order(group: pa.Table, table: Table, rows_before: int, last_key: pa.Table | None) -> pa.Table | None:
    """Checks that keys ascend without repeats; returns the last key, for the next group."""
    if not table.key:
        return None
    keys = group.select(table.key)
    if last_key is not None:
        keys = pa.concat_tables([last_key, keys])
    before, after = keys.slice(0, keys.num_rows - 1), keys.slice(1)
    is_greater = np.zeros(before.num_rows, dtype=bool)
    is_equal = np.ones(before.num_rows, dtype=bool)
    for name in table.key:
        is_greater |= is_equal & pc.less(before.column(name), after.column(name)).to_numpy()
        is_equal &= pc.equal(before.column(name), after.column(name)).to_numpy()
    if not is_greater.all():
        position = int(is_greater.argmin())
        row = rows_before + position + (2 if last_key is None else 1)
        fault = "repeats the key of the row above" if is_equal[position] else "sorts before the row above"
        raise _broken(table, f"row {row} {fault}; sort rows by {', '.join(table.key)}, without repeated keys")
    return keys.slice(keys.num_rows - 1)


def _broken(table: Table, problem: str) -> TableError:
    return TableError(f"{table.name}.parquet: {problem}. Nothing was published; fix the step that makes {table.name}.")
