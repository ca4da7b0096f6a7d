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


class Engine(Protocol):
    """What a stage asks of an engine."""

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files of one schema, read when needed."""

    def scan_exports(self, files: Sequence[ExportFile], *, columns: Sequence[str], user_id: str) -> nw.LazyFrame:
        """These columns of exports with the same types, read when needed.

        Beside them `source_file`, `batch`, `row_number`, counted from 1 in each file, and `user_hash`, that of the
        column `user_id`.
        """

    def staged(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows computed once, so that several outputs need not compute them again."""

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in the frame's order where it is sorted."""

    def batches(self, frame: nw.LazyFrame, *, rows: int) -> Iterator[pd.DataFrame]:
        """The rows as pandas frames with Arrow types, of at most `rows` rows each, in the frame's order."""

    def close(self) -> None:
        """Frees memory and temporary files."""
