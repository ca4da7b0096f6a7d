"""Engines: what runs the steps on tables too large for one process's memory.

Reading, staging and writing only; what is computed stands in steps/.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import narwhals as nw
import pandas as pd


@dataclass(frozen=True)
class ExportFile:
    """A parquet file that is not ours: where it lies, and what its rows say of where they come from."""

    path: Path
    source_file: str
    batch: str


@dataclass(frozen=True)
class Use:
    """The most an engine has used so far: memory of its processes, disk for what memory did not hold."""

    memory_mib: int
    temporary_mib: int


class Engine(Protocol):
    """What a stage asks of an engine."""

    splits_work: bool
    """Whether the engine itself splits what does not fit memory, so that users need not be looked at in buckets."""

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files of one schema, read when needed."""

    def scan_exports(self, files: Sequence[ExportFile], *, columns: Sequence[str], user_id: str) -> nw.LazyFrame:
        """These columns of exports with the same types, read when needed.

        Beside them `source_file`, `batch`, `row_number`, counted from 1 in each file, and `user_hash`, that of the
        column `user_id`.
        """

    def staged(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows computed once, so that several outputs need not compute them again."""

    def dictionary_encoded(self, frame: nw.LazyFrame, columns: Sequence[str]) -> nw.LazyFrame:
        """The same rows, these columns of few different texts in the form that is joined to larger tables best."""

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in the frame's order where it is sorted."""

    def write_parts(self, frame: nw.LazyFrame, folder: Path) -> None:
        """Writes the rows to at least one parquet file in `folder`, in no order."""

    def write_buckets(self, frame: nw.LazyFrame, folder: Path, *, buckets: int) -> None:
        """Writes the rows to parquet files in `folder`/batch=<batch>/bucket=<n>, n being the first bits of `user_hash`.

        The files leave the column `batch` out. `buckets` is a power of two. A bucket without rows has no folder.
        """

    def batches(self, frame: nw.LazyFrame, *, rows: int) -> Iterator[pd.DataFrame]:
        """The rows as pandas frames with Arrow types, of at most `rows` rows each, in the frame's order."""

    def use(self) -> Use:
        """What the engine has used since it was opened."""

    def close(self) -> None:
        """Frees memory and temporary files."""


def batch_folder(folder: Path, batch: str) -> Path:
    """Where write_buckets puts the buckets of a batch."""
    return folder / f"batch={batch}"


def bucket_folder(folder: Path, bucket: int) -> Path:
    """Where write_buckets puts the files of a bucket in the folder of a batch."""
    return folder / f"bucket={bucket}"
