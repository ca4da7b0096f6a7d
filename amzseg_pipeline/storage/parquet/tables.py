"""Tables of the warehouse: one Parquet file per table, written atomically, with the types of its contract."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import footer, parquet_file
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema


def write_frames(frames: Iterable[pd.DataFrame], table: Table, path: Path) -> None:
    """Writes frames as one Parquet file with the types of the contract. TableError where a frame does not match."""
    schema = arrow_schema(table)
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for frame in frames:
            try:
                writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
            except (pa.ArrowException, KeyError) as error:
                raise TableError(
                    f"{path.name}: rows do not match the contract of {table.name} ({error}); fix the step before it."
                ) from error


def pandas_frame(frame: nw.LazyFrame) -> pd.DataFrame:
    """All rows in memory, converted through Arrow so that the types do not depend on the engine."""
    rows: pa.Table = frame.collect("pyarrow").to_native()
    pandas: pd.DataFrame = rows.to_pandas(date_as_object=False)
    return pandas


def table_path(warehouse: Path, name: str) -> Path:
    """The path of the table `name`."""
    return warehouse / f"{name}.parquet"


def record_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a table in order, batch by batch."""
    with parquet_file(existing_table(path)) as file:
        yield from file.iter_batches()


def row_count(path: Path) -> int:
    """The number of rows, from the file's footer."""
    return int(footer(path).num_rows)


def existing_table(path: Path) -> Path:
    """`path`, after checking that it is a Parquet file. TableError where it is missing or damaged."""
    try:
        footer(path)
    except FileNotFoundError:
        raise TableError(f"{path}: the table does not exist yet; materialise {path.stem} first.") from None
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: not readable as parquet ({error}); materialise {path.stem} again.") from error
    return path
