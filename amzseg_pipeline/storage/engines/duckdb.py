"""The engine: one DuckDB connection in this process, which spills to its temporary folder beyond its memory limit."""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines.machine import FolderPeak, cores, memory_limit_mib, peak_memory_mib
from amzseg_pipeline.storage.fs.atomic_writes import write_error
from amzseg_pipeline.storage.fs.object_store import DuckDBReads
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_BUCKET_GROUP_ROWS = 2**15
"""Rows buffered per file when buckets are written. Smaller row groups read slowly and compress badly; larger ones need
memory for every bucket of every batch, and cost more time than they save."""

_MAX_OPEN_FILES = 600
HASH_BITS = 32
_PARQUET = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 1000, PARQUET_VERSION v2"
"""Ids and times seldom repeat within a row group: trying a dictionary first costs a fifth of the write time.

Parquet version 2 is written and read a tenth faster: integers are deltas, texts have lengths. All readers support it.
"""

_FILE_IN_ERROR = re.compile(r'file \\?"([^"\\]+)')
_DISK_ERRORS = tuple(
    os.strerror(code)
    for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
)
"""Messages of the operating system when a write fails; DuckDB repeats them in its own errors."""


@dataclass(frozen=True)
class ExportFile:
    """A parquet export in the landing zone, with the `source_file` and `batch` that its rows get."""

    path: Path
    source_file: str
    batch: str


@dataclass(frozen=True)
class EngineUsage:
    """Peaks since the engine was opened: memory of this process, and disk used for spilling."""

    memory_mib: int
    temporary_mib: int


class Engine:
    """A DuckDB connection with its own memory limit, threads and temporary folder.

    It reads local files and those of the fsspec filesystem `store`; it writes local files only.
    """

    def __init__(self, settings: Settings, *, temporary: Path, store: Any = None) -> None:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary
        self._temporary_peak = FolderPeak(temporary)
        self._cached_count = 0
        self._enum_count = 0
        self._connection = duckdb.connect(
            config={
                "threads": settings.threads or cores(),
                "memory_limit": f"{memory_limit_mib(settings.memory_limit_mib)}MiB",
                "temp_directory": str(temporary),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._connection.execute("SET parquet_metadata_cache = true")  # every step of a query is bound to its files
        self._reads = DuckDBReads(self._connection, store)

    @property
    def temporary(self) -> Path:
        """The folder for what exceeds memory; whatever else is put there is deleted with it."""
        return self._temporary

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files with one schema; nothing is read yet."""
        return nw.from_native(self._connection.read_parquet(self._reads.names(paths), hive_partitioning=False))

    def scan_exports(self, files: Sequence[ExportFile], *, columns: Sequence[str], user_id: str) -> nw.LazyFrame:
        """These columns of exports with identical types; nothing is read yet.

        Adds `source_file`, `batch`, `row_number` (from 1 in each file) and `user_hash` of the column `user_id`.
        """
        names = self._reads.names([file.path for file in files])
        rows = self._connection.read_parquet(names, filename=True, file_row_number=True, hive_partitioning=False)
        selected = {
            **{column: _name(column) for column in columns},
            "source_file": f"{_map({str(file.path): file.source_file for file in files})}[filename]",
            "batch": f"{_map({str(file.path): file.batch for file in files})}[filename]",
            "row_number": "file_row_number + 1",
            "user_hash": DUCKDB_USER_HASH.format(user_id=_name(user_id)),
        }
        return nw.from_native(rows.project(_columns(selected)))

    def cached(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows, computed now and kept in a temporary table until the engine closes."""
        self._cached_count += 1
        name = f"cached_{self._cached_count}"
        with self._disk_errors_as_write_errors():
            nw.to_native(frame).to_table(name)
        return nw.from_native(self._connection.table(name))

    def dictionary_encoded(self, frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:
        """The same rows with these columns as enums, which join and write in half the time of strings.

        The columns must have few distinct values.
        """
        rows = nw.to_native(frame)
        selected = {name: _name(name) for name in rows.columns}
        for column in columns:
            self._enum_count += 1
            enum = f"enum_{self._enum_count}"
            distinct = rows.filter(f"{_name(column)} IS NOT NULL").project(_name(column)).distinct()
            distinct.create_view("enum_values", replace=True)
            with self._disk_errors_as_write_errors():
                self._connection.execute(f"CREATE TYPE {enum} AS ENUM (FROM enum_values)")
            selected[column] = f"{_name(column)}::{enum}"
        encoded: nw.LazyFrame = nw.from_native(rows.project(_columns(selected)))
        return encoded

    def projected(self, frame: nw.LazyFrame, columns: Mapping[str, str]) -> nw.LazyFrame:
        """A frame with these columns: name -> SQL expression over the columns of `frame`."""
        projected: nw.LazyFrame = nw.from_native(nw.to_native(frame).project(_columns(columns)))
        return projected

    def aggregated(self, frame: nw.LazyFrame, columns: Mapping[str, str], *, by: str) -> nw.LazyFrame:
        """A frame with a row per value of `by` and these columns: name -> SQL aggregate over the rows of `frame`."""
        rows = nw.to_native(frame).aggregate(f"{_name(by)}, {_columns(columns)}", _name(by))
        aggregated: nw.LazyFrame = nw.from_native(rows)
        return aggregated

    @contextmanager
    def cache_scope(self) -> Iterator[None]:
        """Drops the tables that `cached` creates in the block when the block ends."""
        first = self._cached_count
        try:
            yield
        finally:
            for number in range(first + 1, self._cached_count + 1):
                self._connection.execute(f"DROP TABLE IF EXISTS cached_{number}")

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in order if the frame is sorted."""
        self._copy(nw.to_native(frame), path, options=_PARQUET)

    def write_buckets(self, frame: nw.LazyFrame, folder: Path, *, buckets: int) -> None:
        """Writes the rows to `folder`/batch=<batch>/bucket=<n>/*.parquet; n is the leading bits of `user_hash`.

        The files omit the column `batch`. `buckets` is a power of two. A bucket without rows has no folder.
        """
        self._connection.execute(f"SET partitioned_write_flush_threshold = {_BUCKET_GROUP_ROWS}")
        self._connection.execute(f"SET partitioned_write_max_open_files = {_MAX_OPEN_FILES}")
        rows = nw.to_native(frame).project(f"*, user_hash >> {HASH_BITS - (buckets - 1).bit_length()} AS bucket")
        self._copy(rows, folder, options=f"{_PARQUET}, PARTITION_BY (batch, bucket), OVERWRITE_OR_IGNORE")

    def pandas_chunks(self, frame: nw.LazyFrame, *, chunk_rows: int) -> Iterator[pd.DataFrame]:
        """Like record_batches, as pandas frames with Arrow types."""
        for batch in self.record_batches(frame, batch_rows=chunk_rows):
            yield pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype)

    def record_batches(self, frame: nw.LazyFrame, *, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """The rows in batches of at most `batch_rows` rows, in order if the frame is sorted."""
        with self._disk_errors_as_write_errors():
            reader = nw.to_native(frame).to_arrow_reader(batch_rows)
        while True:
            with self._disk_errors_as_write_errors():
                batch = next(reader, None)
            if batch is None:
                return
            yield batch

    def usage(self) -> EngineUsage:
        """The peaks since the engine was opened."""
        return EngineUsage(memory_mib=peak_memory_mib([os.getpid()]), temporary_mib=self._temporary_peak.mib)

    def close(self) -> None:
        """Closes the connection and deletes the temporary folder."""
        self._connection.close()
        self._temporary_peak.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _copy(self, rows: duckdb.DuckDBPyRelation, path: Path, *, options: str) -> None:
        with self._disk_errors_as_write_errors():
            rows.create_view("rows_to_copy", replace=True)
            self._connection.execute(f"COPY (FROM rows_to_copy) TO {_text(str(path))} ({options})")

    @contextmanager
    def _disk_errors_as_write_errors(self) -> Iterator[None]:
        """Raises WriteError when the disk fails: DuckDB's error is no OSError and names the file only in its text."""
        try:
            yield
        except duckdb.IOException as error:
            reason = next((reason for reason in _DISK_ERRORS if reason in str(error)), None)
            if reason is None:
                raise
            file = _FILE_IN_ERROR.search(str(error))
            raise write_error(Path(file[1]) if file else self._temporary, reason) from error
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" not in str(error):
                raise
            raise WriteError(
                f"{self._temporary}: the query needs more than the memory limit and the free disk space here; free "
                "space, raise memory_limit_mib or set temporary_folder to another disk, then run again."
            ) from error


def batch_folder(folder: Path, batch: str) -> Path:
    """The folder of a batch below the folder given to `Engine.write_buckets`."""
    return folder / f"batch={batch}"


def bucket_folder(folder: Path, bucket: int) -> Path:
    """The folder of a bucket below the folder of a batch."""
    return folder / f"bucket={bucket}"


def _map(values: Mapping[str, str]) -> str:
    """A SQL MAP literal."""
    return f"MAP {{{', '.join(f'{_text(key)}: {_text(value)}' for key, value in values.items())}}}"


def _columns(selected: Mapping[str, str]) -> str:
    """A SQL select list: column name -> expression."""
    return ", ".join(f"{sql} AS {_name(name)}" for name, sql in selected.items())


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
