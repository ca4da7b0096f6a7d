"""Rows as a frame of each engine that runs the steps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa

from amzseg_pipeline.contracts.schema import Table

_DUCKDB = duckdb.connect()  # shared, because DuckDB cannot join frames of two connections

ENGINES: dict[str, Callable[[pa.Table], Any]] = {
    "duckdb": _DUCKDB.from_arrow,
    "polars": lambda table: pl.from_arrow(table).lazy(),
    "pandas": lambda table: table.to_pandas(types_mapper=pd.ArrowDtype),
}

_ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
}


def frame(table: Table, rows: Sequence[Mapping[str, Any]], *, engine: str = "duckdb") -> nw.LazyFrame:
    """`rows` as a LazyFrame of the engine with all columns of `table`; missing values are null."""
    schema = pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in table.columns])
    arrow = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    return nw.from_native(ENGINES[engine](arrow)).lazy()


def rows_of(lazy: nw.LazyFrame, *sort_by: str) -> list[dict[str, Any]]:
    """The rows as dictionaries, sorted."""
    collected = lazy.select(sorted(lazy.collect_schema().names())).collect("pyarrow").to_native()
    names = [name for name in collected.column_names if not name.startswith("__")]
    return sorted(collected.select(names).to_pylist(), key=lambda row: tuple(row[name] for name in sort_by))
