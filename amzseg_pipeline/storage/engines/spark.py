"""Spark: the engine for data beyond one machine, on a cluster or in threads of this one.

One session from opening to closing. What one file must hold, or a program reads row by row, passes through the driver.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import ExportFile, Use
from amzseg_pipeline.storage.engines.machine import FolderPeak, cores, memory_mib, peak_memory_mib
from amzseg_pipeline.storage.parquet.user_hash import SPARK_USER_HASH

_HASH_BITS = 32


class SparkEngine:
    """An Engine on one Spark session. Raises SettingsError where pyspark is not installed or no Java is found."""

    splits_work = True

    def __init__(self, settings: Settings, *, temporary: Path) -> None:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True, exist_ok=True)
        self._temporary = temporary
        self._temporary_peak = FolderPeak(temporary)
        self._written = 0
        self._session = _session(settings, temporary)

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files of one schema, read when needed."""
        return self._parquet(*paths)

    def scan_exports(self, files: Sequence[ExportFile], *, columns: Sequence[str], user_id: str) -> nw.LazyFrame:
        """These columns of exports with the same types, with where each row comes from, and `user_hash`."""
        selected = [
            self._session.read.parquet(str(file.path)).selectExpr(
                *map(_name, columns),
                f"{_text(file.source_file)} AS source_file",
                f"{_text(file.batch)} AS batch",
                "_metadata.row_index + 1 AS row_number",
                f"{SPARK_USER_HASH.format(user_id=_name(user_id))} AS user_hash",
            )
            for file in files
        ]
        rows: nw.LazyFrame = nw.from_native(reduce(lambda first, second: first.unionAll(second), selected))
        return rows

    def staged(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows computed once, kept in the temporary folder until the engine closes."""
        folder = self._new_folder()
        self.write_parts(frame, folder)
        return self._parquet(folder)

    def dictionary_encoded(self, frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:  # noqa: ARG002
        """The same rows as they are: Spark has no better way."""
        return frame

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in the frame's order where it is sorted."""
        folder = self._new_folder()
        _write(nw.to_native(frame).coalesce(1), folder)
        (part,) = _parts(folder)
        shutil.move(part, path)
        shutil.rmtree(folder)

    def write_parts(self, frame: nw.LazyFrame, folder: Path) -> None:
        """Writes the rows to at least one parquet file in `folder`, in no order."""
        _write(nw.to_native(frame), folder)

    def write_buckets(self, frame: nw.LazyFrame, folder: Path, *, buckets: int) -> None:
        """Writes the rows to parquet files in `folder`/batch=<batch>/bucket=<n>, n being first bits of `user_hash`."""
        shift = _HASH_BITS - (buckets - 1).bit_length()
        rows = nw.to_native(frame).selectExpr("*", f"shiftright(user_hash, {shift}) AS bucket")
        _write(rows, folder, "batch", "bucket")

    def batches(self, frame: nw.LazyFrame, *, rows: int) -> Iterator[pd.DataFrame]:
        """The rows as pandas frames with Arrow types, of at most `rows` rows each, in the frame's order."""
        folder = self._new_folder()
        self.write_parts(frame, folder)
        for part in _parts(folder):  # their names follow the order of a sorted frame
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(batch_size=rows):
                    yield pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype)
        shutil.rmtree(folder)

    def use(self) -> Use:
        """What this process, Spark's driver and the temporary folder have used since the engine was opened.

        Executors on other machines are not counted.
        """
        driver = self._session.sparkContext._gateway.proc.pid
        return Use(memory_mib=peak_memory_mib([os.getpid(), driver]), temporary_mib=self._temporary_peak.mib)

    def close(self) -> None:
        """Ends the session and deletes its temporary files."""
        self._session.stop()
        self._temporary_peak.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _parquet(self, *paths: Path) -> nw.LazyFrame:
        rows: nw.LazyFrame = nw.from_native(self._session.read.parquet(*map(str, paths)))
        return rows

    def _new_folder(self) -> Path:
        self._written += 1
        return self._temporary / f"rows_{self._written}"


def _session(settings: Settings, temporary: Path) -> Any:
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise SettingsError(
            'settings: engine = "spark" needs the extra: pip install "amzseg-pipeline[spark]".'
        ) from error
    master = settings.spark_master
    if master == "local[*]":
        master = f"local[{settings.threads or cores()}]"
    config: dict[str, Any] = {
        "spark.app.name": "amzseg_pipeline",
        "spark.driver.memory": f"{settings.memory_limit_mib or memory_mib() // 2}m",
        "spark.local.dir": str(temporary),
        "spark.sql.warehouse.dir": str(temporary / "tables"),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if master.startswith("local"):
        config |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    try:
        session = SparkSession.builder.master(master).config(map=config).getOrCreate()
    except PySparkRuntimeError as error:
        raise SettingsError(
            f'settings: engine = "spark" and spark_master = {master!r}: Spark does not start ({error}); '
            "install Java 17 or newer, or set JAVA_HOME."
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _write(rows: Any, folder: Path, *partition_by: str) -> None:
    rows.write.mode("append").partitionBy(*partition_by).parquet(str(folder))
    for checksum in folder.rglob(".*.crc"):
        checksum.unlink()


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _name(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"
