"""The records of a CSV as columns of text with record numbers, and the numbers of damaged records.

No record is lost: the parser must find as many as the quotes and line ends delimit.
"""

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
from amzseg_pipeline.storage.landing.guards.text import NotUtf8, refuse_unreadable
from amzseg_pipeline.storage.landing.readers.plain_text import plain_text_file, windows_1252_as_utf_8
from amzseg_pipeline.storage.landing.scan.export import Export

Numbers = NDArray[np.int64]


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
        records = lines - export.has_header
        if records == 0:
            raise RefusedInput("the file has a header but no record; deliver it again or remove it.")

        found = 0
        for block in _blocks(plain, export, columns, has_quotes=has_quotes):
            found += len(block.numbers) + len(block.damaged)
            if len(block.numbers) or len(block.damaged):
                yield _without_headers(block) if export.has_header else block
        if found != records:
            raise RefusedInput(
                f"the parser found {found:,} records but quotes and line ends delimit {records:,}; "
                "quote every cell that contains commas, quotes or line ends, and double the quotes inside."
            )


def _line_count(plain: Path, delimiter: str, has_quotes: bool) -> int:
    with refuse_unreadable(), plain.open("rb") as stream:
        return csv_record_count(stream, delimiter=delimiter, has_quotes=has_quotes)


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
        raise RefusedInput(f"the CSV parser failed ({error}); export it again.") from error


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
