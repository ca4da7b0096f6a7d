"""What a format of exports is: how it is recognised and how it is read.

No format is described here: each has a module of its own and an entry in known_formats.FORMATS.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import narwhals as nw
import pyarrow as pa

from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.parquet import ColumnTypeCheck

Medium = Literal["CSV", "JSON Lines", "parquet"]


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format of exports, told by the names of its columns or keys.

    `needed` names must be there and `foreign` ones, which tell another format, must not; `known` are all that may be
    there, None for any. `version` names the reader in the names of parts: it changes when the same bytes would give
    other rows. `holds` is the contract of its rows.
    """

    name: str
    version: str
    medium: Medium
    holds: Table
    needed: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    known: tuple[str, ...] | None = None

    def mismatch(self, names: Sequence[str]) -> str:
        """What in the names of a file's columns is not of this format, "" if nothing; they may stand in any order.

        Where fewer than half of the needed names are there, the others are not repeated: a line that is no header may
        hold somebody's name and review.
        """
        kind = "keys" if self.medium == "JSON Lines" else "columns"
        unique = list(dict.fromkeys(names))
        missing = [name for name in self.needed if name not in unique]
        told = unique if 2 * len(missing) <= len(self.needed) else []
        problems = {
            f"missing {kind}": missing,
            f"{kind} of another format": [name for name in self.foreign if name in unique],
            f"unknown {kind}": [name for name in told if self.known is not None and name not in self.known],
            f"repeated {kind}": [name for name in told if names.count(name) > 1],
        }
        return "; ".join(
            f"{problem}: {', '.join(_shortened(name) for name in found[:20])}"
            for problem, found in problems.items()
            if found
        )


@dataclass(frozen=True, kw_only=True)
class ParsedFormat(ExportFormat):
    """A format that is read into a part.

    `raw_rows` gives the file's rows as tables with columns of `holds`, `row_number` among them, without gaps and never
    falling; it may leave out columns that are null, and the two that name the file. It raises nothing but RefusedInput.
    """

    raw_rows: Callable[[Path, Settings], Iterator[pa.Table]]


@dataclass(frozen=True, kw_only=True)
class InPlaceFormat(ExportFormat):
    """A format of parquet that engines read where it lies: nothing is copied.

    `kinds` says of each needed column which types it may have. `raw_frame` makes rows of `holds` out of an
    engine's scan of the needed columns, which has `source_file`, `batch`, `row_number` and `user_hash` beside them.
    """

    kinds: Mapping[str, ColumnTypeCheck]
    raw_frame: Callable[[nw.LazyFrame], nw.LazyFrame]


def _shortened(name: str) -> str:
    """A name as it may stand in a message."""
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
