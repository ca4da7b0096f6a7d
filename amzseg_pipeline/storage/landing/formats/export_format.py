"""What an export format is: how it is recognised and how its rows are read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RatingMeaning
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.storage.landing.guards.parquet import ColumnTypeCheck
from amzseg_pipeline.storage.landing.scan.export import Export, FileType


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format of exports, recognised by the names of its columns or keys.

    All `required_names` must be present and no `excluded_names`, which belong to another format; where `allowed_names`
    is not None, no other names may be present. `version` is part of the names of cached batch files: change it when the
    same bytes would give other rows. `table` is the contract of the rows.
    """

    name: str
    version: str
    file_type: FileType
    table: Table
    required_names: tuple[str, ...]
    excluded_names: tuple[str, ...] = ()
    allowed_names: tuple[str, ...] | None = None
    rating_meaning: RatingMeaning = "user"

    def mismatch(self, names: Sequence[str]) -> str:
        """How the names of a file's columns, in any order, differ from this format; "" if they match.

        Unknown names are listed only where at least half of the required names are present: a first line that is not a
        header may contain a person's name and review.
        """
        noun = "keys" if self.file_type == "JSON Lines" else "columns"
        unique = list(dict.fromkeys(names))
        missing = [name for name in self.required_names if name not in unique]
        listed = unique if 2 * len(missing) <= len(self.required_names) else []
        allowed = set(unique if self.allowed_names is None else self.allowed_names)
        problems = {
            f"missing {noun}": missing,
            f"{noun} of another format": [name for name in self.excluded_names if name in unique],
            f"unknown {noun}": [name for name in listed if name not in allowed],
            f"repeated {noun}": [name for name in listed if names.count(name) > 1],
        }
        return "; ".join(
            f"{problem}: {', '.join(_shortened(name) for name in found[:20])}"
            for problem, found in problems.items()
            if found
        )


@dataclass(frozen=True, kw_only=True)
class ParsedFormat(ExportFormat):
    """A format that is read once into a batch file.

    `raw_rows` gives the rows as tables with columns of `table`, among them `row_number`, without gaps and never
    decreasing. Columns that are null, `source_file` and `batch` may be left out. It raises only RefusedInput.
    """

    raw_rows: Callable[[Export], Iterator[pa.Table]]


@dataclass(frozen=True, kw_only=True)
class InPlaceFormat(ExportFormat):
    """A format of Parquet that engines read in place, without a copy.

    `column_types` are the types allowed for each required column. `raw_frame` turns an engine's scan of those columns,
    with `source_file`, `batch`, `row_number` and `user_hash` added, into rows of `table`.
    """

    column_types: Mapping[str, ColumnTypeCheck]
    raw_frame: Callable[[nw.LazyFrame], nw.LazyFrame]


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
