"""Engines: what runs the steps on tables too large for one process's memory.

Reading, staging and writing only; what is computed stands in steps/.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import narwhals as nw
import pandas as pd


class Engine(Protocol):
    """What a stage asks of an engine."""

    def scan(self, paths: Sequence[Path]) -> nw.LazyFrame:
        """The rows of parquet files of one schema, read when needed."""

    def staged(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """The same rows computed once, so that several outputs need not compute them again."""

    def write(self, frame: nw.LazyFrame, path: Path) -> None:
        """Writes the rows to one parquet file, in the frame's order where it is sorted."""

    def batches(self, frame: nw.LazyFrame, *, rows: int) -> Iterator[pd.DataFrame]:
        """The rows as pandas frames with Arrow types, of at most `rows` rows each, in the frame's order."""

    def close(self) -> None:
        """Frees memory and temporary files."""
