"""The records of a CSV as columns of text with record numbers, and the numbers of damaged records.

No record is lost: the parser must find as many as the quotes and line ends delimit.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, RejectionReason
from amzseg_pipeline.storage.landing.guards.csv import MAX_RECORD_BYTES, csv_record_count
from amzseg_pipeline.storage.landing.guards.text import NoRecords, NotUtf8, refuse_unreadable
from amzseg_pipeline.storage.landing.readers.plain_text import plain_text_file, windows_1252_as_utf_8
from amzseg_pipeline.storage.landing.scan.export import Export

Numbers = NDArray[np.int64]

_MIN_RECORDS = 20
"""Fewer cells may have one length by chance."""


@dataclass(frozen=True)
class Records:
    """A block of records: columns of text, their record numbers, and the numbers of unreadable (damaged) records.

    `details` says by record number what is wrong with a damaged record.
    """

    cells: pa.RecordBatch
    numbers: Numbers
    damaged: Numbers
    details: Mapping[int, str] = field(default_factory=dict)

    @property
    def read_errors(self) -> pa.Array:
        """The read_error of each damaged record."""
        reason = RejectionReason.DAMAGED_RECORD.value
        details = (self.details.get(int(number), "") for number in self.damaged)
        return pa.array([f"{reason}{DETAILS_SEPARATOR}{found}" if found else reason for found in details], pa.string())


def csv_records(export: Export, columns: Sequence[str]) -> Iterator[Records]:
    """The records of a CSV, block by block, numbered from 1 after the header.

    A record that repeats the header is damaged: two exports were joined with both headers. RefusedInput where the file
    is not a complete CSV, or has no record.
    """
    has_quotes = export.has_quotes or export.delimiter != "\t"
    with ExitStack() as stack:
        plain = stack.enter_context(plain_text_file(export))
        try:
            lines = _line_count(plain, export.delimiter, has_quotes)
        except NotUtf8 as refusal:
            plain = stack.enter_context(windows_1252_as_utf_8(export, plain, refusal))
            lines = _line_count(plain, export.delimiter, has_quotes)
        last = None if _has_last_line_end(plain) else _LastCells(export.names[0][-1])
        records = lines - export.has_header
        if records == 0:
            raise NoRecords("the file has a header but no record; deliver it again or remove it.")

        found = 0
        for block in _blocks(plain, export, columns, has_quotes=has_quotes):
            found += len(block.numbers) + len(block.damaged)
            if last:
                last.add(block)
            if len(block.numbers) or len(block.damaged):
                yield _without_headers(block) if export.has_header else block
        if found != records:
            raise RefusedInput(
                f"the parser found {found:,} records but quotes and line ends delimit {records:,}; "
                "quote every cell that contains commas, quotes or line ends, and double the quotes inside."
            )
        if last and not last.are_complete(records):
            _line_count(plain, export.delimiter, has_quotes, needs_end=True)  # which refuses the file
        elif last:
            export.assume(f"the last record ({records:,}) is complete although it has no line end")


def _line_count(plain: Path, delimiter: str, has_quotes: bool, *, needs_end: bool = False) -> int:
    with refuse_unreadable(), plain.open("rb") as stream:
        return csv_record_count(stream, delimiter=delimiter, has_quotes=has_quotes, needs_end=needs_end)


def _has_last_line_end(plain: Path) -> bool:
    with refuse_unreadable(), plain.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) in b"\n\r"


class _LastCells:
    """The last cells of records, which show whether a last record without a line end is complete.

    It is if they are all of one length, as days, times and codes are: a cut would have shortened the last of them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lengths: set[int] = set()
        self._last_number = 0

    def add(self, block: Records) -> None:
        if self._name in block.cells.schema.names and len(block.numbers):
            self._lengths |= set(pc.unique(pc.binary_length(block.cells[self._name])).to_pylist())
            self._last_number = int(block.numbers[-1])

    def are_complete(self, records: int) -> bool:
        """Whether the last of `records` records is complete."""
        is_read = self._last_number == records >= _MIN_RECORDS
        return is_read and len(self._lengths) == 1 and 0 not in self._lengths


def _blocks(plain: Path, export: Export, columns: Sequence[str], *, has_quotes: bool) -> Iterator[Records]:
    details: dict[int, str] = {}
    skipped: SimpleQueue[int] = SimpleQueue()  # the parser may read ahead in another thread

    def skip(row: pa.csv.InvalidRow) -> str:
        number = row.number - export.has_header
        details[number] = f"it has {row.actual_columns} cells and the header {row.expected_columns}"
        skipped.put(number)
        return "skip"

    options = {
        # Single-threaded, because only then the parser knows the number of a damaged record.
        "read_options": pa.csv.ReadOptions(
            block_size=MAX_RECORD_BYTES,
            use_threads=False,
            column_names=None if export.has_header else list(export.names[0]),
        ),
        "parse_options": pa.csv.ParseOptions(
            delimiter=export.delimiter,
            quote_char='"' if has_quotes else False,
            newlines_in_values=has_quotes,
            invalid_row_handler=skip,
        ),
        "convert_options": pa.csv.ConvertOptions(
            include_columns=list(columns),
            column_types=dict.fromkeys(columns, pa.string()),
            strings_can_be_null=False,
        ),
    }
    no_cells = pa.RecordBatch.from_pylist([], schema=pa.schema([(name, pa.string()) for name in columns]))
    first = 1
    damaged = np.empty(0, dtype=np.int64)
    try:
        # An open file, because the parser decompresses a path by its ending.
        with pa.OSFile(str(plain)) as file, pa.csv.open_csv(file, **options) as blocks:
            for cells in chain(blocks, [no_cells]):
                damaged = np.append(damaged, [skipped.get() for _ in range(skipped.qsize())]).astype(np.int64)
                candidates = np.setdiff1d(np.arange(first, first + len(cells) + len(damaged) + 1), damaged)
                numbers, first = candidates[: len(cells)], candidates[len(cells)]
                yield Records(cells, numbers, damaged[damaged < first], details)
                damaged = damaged[damaged >= first]
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition(" columns, got")[0]  # a record follows
        raise RefusedInput(f"the CSV parser failed ({reason}); export it again.") from None


def _without_headers(block: Records) -> Records:
    equal = [pc.equal(block.cells[name], name).to_numpy(False) for name in block.cells.schema.names]
    is_header = np.logical_and.reduce(equal)
    if not is_header.any():
        return block
    return Records(
        block.cells.filter(pa.array(~is_header)),
        block.numbers[~is_header],
        np.concatenate((block.damaged, block.numbers[is_header])),
        {**block.details, **dict.fromkeys(map(int, block.numbers[is_header]), "it repeats the header")},
    )
