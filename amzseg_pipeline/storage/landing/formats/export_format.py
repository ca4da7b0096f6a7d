"""What an export format is: how it is recognised and how its rows are read."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import pyarrow as pa

from amzseg_pipeline.contracts.reviews import RatingMeaning
from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.storage.landing.guards.parquet import ColumnTypeCheck
from amzseg_pipeline.storage.landing.scan.export import Export, FileType

JSON: tuple[FileType, ...] = ("JSON Lines", "JSON array", "Python literals")

_SIMILARITY = 0.85


@dataclass(frozen=True)
class Match:
    """How the names of a file fit a format.

    `columns` maps names of the format to those of the file; `ignored` are additional columns; `problems` are the
    reasons why it does not fit. `missing` of `required` names are not there; `is_foreign` where a
    name belongs to another format.
    """

    columns: Mapping[str, str]
    ignored: tuple[str, ...]
    problems: tuple[str, ...]
    missing: int
    required: int
    is_foreign: bool


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format of exports, recognised by the names of its columns or keys.

    All `required_names` must be present and no `excluded_names`, which belong to another format. `ignored_names` are
    known and not read. Other names are ignored and reported, unless one resembles a name of the format that is missing.
    Names of tables may differ in case, spaces and underscores. `version` is part of the names of cached
    batch files: change it when the same bytes would give other rows. `table` is the contract of the rows. `has_quotes`
    is False where quotes in a TSV are plain characters. `mapping_keys` are the keys of a mapping file that the reader
    uses, besides `columns` and `delimiter`.
    """

    name: str
    version: str
    file_types: tuple[FileType, ...]
    table: Table
    required_names: tuple[str, ...]
    optional_names: tuple[str, ...] = ()
    ignored_names: tuple[str, ...] = ()
    excluded_names: tuple[str, ...] = ()
    has_header: bool = True
    has_quotes: bool = True
    rating_meaning: RatingMeaning = "user"
    mapping_keys: tuple[str, ...] = ()

    def match(self, names: Sequence[str], *, is_exact: bool) -> Match:
        """How the names of a file's columns, in any order, fit; `is_exact` for keys and Parquet columns.

        Additional names are listed only where at least half of the required names are present: a first line that is
        not a header may contain a person's name and review.
        """
        key = (lambda name: name) if is_exact else _normalized
        actual: dict[str, str] = {}
        repeated = []
        for name in names:
            if key(name) in actual:
                repeated.append(name)
            actual.setdefault(key(name), name)
        used = (*self.required_names, *self.optional_names)
        columns = {name: actual[key(name)] for name in used if key(name) in actual}
        missing = [name for name in self.required_names if name not in columns]
        known = {key(name) for name in (*used, *self.ignored_names)}
        extra = [name for name in actual.values() if key(name) not in known]
        is_header = 2 * len(missing) <= len(self.required_names)
        similar = _similar([name for name in used if name not in columns], extra) if is_header else {}
        problems = [
            f"{_shortened(wrong)} may be meant as {name!r}: rename or remove it" for name, wrong in similar.items()
        ]
        if absent := [name for name in missing if name not in similar]:
            problems.append(f"missing {', '.join(map(repr, absent))}")
        foreign = [name for name in self.excluded_names if key(name) in actual]
        if foreign:
            problems.append(f"names of another format: {', '.join(map(repr, foreign))}")
        if is_header and (again := [name for name in repeated if key(name) in known]):
            problems.append(f"repeated {', '.join(_shortened(name) for name in again)}")
        return Match(
            columns,
            tuple(extra) if is_header else (),
            tuple(problems),
            len(missing),
            len(self.required_names),
            bool(foreign),
        )


@dataclass(frozen=True, kw_only=True)
class ParsedFormat(ExportFormat):
    """A format that is read once into a batch file.

    `raw_rows` gives the rows as tables with columns of `table`, among them `row_number`, never decreasing.
    Columns that are null, `source_file` and `batch` may be left out. It raises only RefusedInput.
    """

    raw_rows: Callable[[Export], Iterator[pa.Table]]


@dataclass(frozen=True, kw_only=True)
class InPlaceFormat(ExportFormat):
    """A format of Parquet that engines read in place, without a copy.

    `column_types` are the types allowed for each required column. `raw_frame` turns an engine's scan of those columns,
    with `source_file`, `batch`, `row_number` and `user_hash` added, into rows of `table`. `is_readable` tells whether
    the values have the units that `raw_frame` expects; another format must read the export otherwise.
    """

    column_types: Mapping[str, ColumnTypeCheck]
    raw_frame: Callable[[nw.LazyFrame], nw.LazyFrame]
    is_readable: Callable[[Export], bool]


def _normalized(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _similar(missing: Sequence[str], extra: Sequence[str]) -> dict[str, str]:
    """The additional names that are likely misspelt names of the format."""
    found = {}
    for name in missing:
        for candidate in extra:
            pair = _normalized(name), _normalized(candidate)
            if pair[1] and difflib.SequenceMatcher(None, *pair).ratio() >= _SIMILARITY:
                found[name] = candidate
    return found


def _shortened(name: str) -> str:
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
