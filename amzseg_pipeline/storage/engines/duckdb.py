"""DuckDB in this process: the default engine.

One connection; larger than memory it spills to its temporary folder.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import ExportFile, Use
from amzseg_pipeline.storage.engines.machine import FolderPeak, cores, memory_mib, peak_memory_mib
from amzseg_pipeline.storage.fs.atomic_writes import write_error
from amzseg_pipeline.storage.fs.object_store import DuckDBReads
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH

_ROW_GROUP_ROWS = 122_880
_BUCKET_GROUP_ROWS = 2**15
"""What is held back for each file: small groups read slowly and pack badly; to hold back more takes memory for every
bucket of every batch, which then costs more time than it saves."""

_MAX_OPEN_FILES = 600
_HASH_BITS = 32
_FAST = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 1000, PARQUET_VERSION v2"
"""Ids and times seldom repeat in a row group: to try a dictionary first takes a fifth of the time to write them.

Parquet's second version keeps numbers as differences and texts behind their lengths, which every reader knows by now
and which takes a tenth less time to write and to read.
"""

_FILE = re.compile(r'file \\?"([^"\\]+)')
_REFUSALS = tuple(
    os.strerror(code)
    for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
)
"""What the system says where it takes no more bytes; anything else is no matter of the disk."""


class DuckDBEngine:
    """An Engine on one DuckDB connection with its own memory limit, threads and temporary folder.

    It reads from the fsspec filesystem `store` as well; it writes to this machine alone.
    """

    splits_work = False

    def __init__(self, settings: Settings, *, temporary: Path, store: Any = None) -> None:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary
        self._temporary_peak = FolderPeak(temporary)
        self._staged = 0
        self._coded = 0
        self._connection = duckdb.connect(
            config={
                "threads": settings.threads or cores(),
                "memory_limit": f"{settings.memory_limit_mib or memory_mib() // 2}MiB",
                "temp_directory": str(temporary),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._reads = DuckDBReads(self._connection, store)

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files of one schema, read when needed."""
        return nw.from_native(self._connection.read_parquet(self._reads.names(paths), hive_partitioning=False))

    def scan_exports(self, files: Sequence[ExportFile], *, columns: Sequence[str], user_id: str) -> nw.LazyFrame:
        """These columns of exports with the same types, with where each row comes from, and `user_hash`."""
        rows = self._connection.read_parquet(
            [str(file.path) for file in files], filename=True, file_row_number=True, hive_partitioning=False
        )
        selected = {
            **{column: _name(column) for column in columns},
            "source_file": f"{_map({str(file.path): file.source_file for file in files})}[filename]",
            "batch": f"{_map({str(file.path): file.batch for file in files})}[filename]",
            "row_number": "file_row_number + 1",
            "user_hash": DUCKDB_USER_HASH.format(user_id=_name(user_id)),
        }
        return nw.from_native(rows.project(_columns(selected)))

    def staged(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows computed once, kept in DuckDB's memory or temporary folder until the engine closes."""
        self._staged += 1
        name = f"staged_{self._staged}"
        with self._writing():
            nw.to_native(frame).to_table(name)
        return nw.from_native(self._connection.table(name))

    def dictionary_encoded(self, frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:
        """The same rows with these columns as enums: to join and write numbers takes half the time of texts."""
        rows = nw.to_native(frame)
        selected = {name: _name(name) for name in rows.columns}
        for column in columns:
            self._coded += 1
            rows.filter(f"{_name(column)} IS NOT NULL").project(_name(column)).distinct().create_view(
                "texts", replace=True
            )
            with self._writing():
                self._connection.execute(f"CREATE TYPE coded_{self._coded} AS ENUM (FROM texts)")
            selected[column] = f"{_name(column)}::coded_{self._coded}"
        dictionary_encoded: nw.LazyFrame = nw.from_native(rows.project(_columns(selected)))
        return dictionary_encoded

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in the frame's order where it is sorted."""
        with self._writing():
            nw.to_native(frame).write_parquet(str(path), compression="zstd", row_group_size=_ROW_GROUP_ROWS)

    def write_parts(self, frame: nw.LazyFrame, folder: Path) -> None:
        """Writes the rows to one parquet file in `folder`."""
        folder.mkdir(exist_ok=True)
        self._copy(nw.to_native(frame), folder / "part.parquet", options=_FAST)

    def write_buckets(self, frame: nw.LazyFrame, folder: Path, *, buckets: int) -> None:
        """Writes the rows to parquet files in `folder`/batch=<batch>/bucket=<n>, n being first bits of `user_hash`."""
        self._connection.execute(f"SET partitioned_write_flush_threshold = {_BUCKET_GROUP_ROWS}")
        self._connection.execute(f"SET partitioned_write_max_open_files = {_MAX_OPEN_FILES}")
        rows = nw.to_native(frame).project(f"*, user_hash >> {_HASH_BITS - (buckets - 1).bit_length()} AS bucket")
        self._copy(rows, folder, options=f"{_FAST}, PARTITION_BY (batch, bucket), OVERWRITE_OR_IGNORE")

    def batches(self, frame: nw.LazyFrame, *, rows: int) -> Iterator[pd.DataFrame]:
        """The rows as pandas frames with Arrow types, of at most `rows` rows each, in the frame's order."""
        with self._writing():
            reader = nw.to_native(frame).to_arrow_reader(rows)
        while True:
            with self._writing():
                batch = next(reader, None)
            if batch is None:
                return
            yield pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype)

    def use(self) -> Use:
        """What this process, and the temporary folder, have used since the engine was opened."""
        return Use(memory_mib=peak_memory_mib([os.getpid()]), temporary_mib=self._temporary_peak.mib)

    def close(self) -> None:
        """Closes the connection and deletes what it spilled."""
        self._connection.close()
        self._temporary_peak.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _copy(self, rows: duckdb.DuckDBPyRelation, path: Path, *, options: str) -> None:
        with self._writing():
            rows.create_view("rows_to_copy", replace=True)
            self._connection.execute(f"COPY (FROM rows_to_copy) TO {_text(str(path))} ({options})")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """WriteError where the disk refuses: DuckDB's own error is no OSError, and names the file in its text alone."""
        try:
            yield
        except duckdb.IOException as error:
            reason = next((reason for reason in _REFUSALS if reason in str(error)), None)
            if reason is None:
                raise
            file = _FILE.search(str(error))
            raise write_error(Path(file[1]) if file else self._temporary, reason) from error
        except duckdb.OutOfMemoryException as error:
            if "max_temp_directory_size" not in str(error):
                raise
            raise WriteError(
                f"{self._temporary}: neither memory nor the disk there holds what is worked on; see to the space, "
                "raise memory_limit_mib or give another disk as temporary_folder, then run again."
            ) from error


def _map(values: Mapping[str, str]) -> str:
    """The values as a MAP of SQL."""
    return f"MAP {{{', '.join(f'{_text(key)}: {_text(value)}' for key, value in values.items())}}}"


def _columns(selected: Mapping[str, str]) -> str:
    """These expressions under their names."""
    return ", ".join(f"{sql} AS {_name(name)}" for name, sql in selected.items())


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
