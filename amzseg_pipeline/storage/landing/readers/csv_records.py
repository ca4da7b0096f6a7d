"""The records of a CSV as columns of text with record numbers, and the numbers of damaged records.

No record is lost: the parser must find as many as the quotes and line ends delimit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.guards.csv import MAX_RECORD_BYTES, csv_record_count
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class CsvRecords:
    """A block of records: columns of text, their record numbers, and the numbers of unreadable (damaged) records.

    A record that repeats the header is damaged: two exports were joined with both headers.
    """

    cells: pa.RecordBatch
    numbers: Numbers
    damaged: Numbers


def csv_records(path: Path, columns: Sequence[str]) -> Iterator[CsvRecords]:
    """The records of the CSV at `path`, block by block, numbered from 1 after the header.

    RefusedInput where the file is not a complete CSV, or has no record.
    """
    with refuse_unreadable(), path.open("rb") as stream:
        records = csv_record_count(stream) - 1
    if records == 0:
        raise RefusedInput("the file has a header but no record; deliver it again or remove it.")

    found = 0
    for block in _blocks(path, columns):
        found += len(block.numbers) + len(block.damaged)
        if len(block.numbers) or len(block.damaged):
            yield _without_headers(block)
    if found != records:
        raise RefusedInput(
            f"the parser found {found:,} records but quotes and line ends delimit {records:,}; "
            "quote every cell that contains commas, quotes or line ends, and double the quotes inside."
        )


def _blocks(path: Path, columns: Sequence[str]) -> Iterator[CsvRecords]:
    skipped: SimpleQueue[int] = SimpleQueue()  # the parser may read ahead in another thread

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.put(row.number - 1)  # the parser counts the header
        return "skip"

    options = {
        # Single-threaded, because only then the parser knows the number of a damaged record.
        "read_options": pa.csv.ReadOptions(block_size=MAX_RECORD_BYTES, use_threads=False),
        "parse_options": pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
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
        with pa.OSFile(str(path)) as file, pa.csv.open_csv(file, **options) as blocks:
            for cells in chain(blocks, [no_cells]):
                damaged = np.append(damaged, [skipped.get() for _ in range(skipped.qsize())]).astype(np.int64)
                candidates = np.setdiff1d(np.arange(first, first + len(cells) + len(damaged) + 1), damaged)
                numbers, first = candidates[: len(cells)], candidates[len(cells)]
                yield CsvRecords(cells, numbers, damaged[damaged < first])
                damaged = damaged[damaged >= first]
    except (pa.ArrowException, OSError) as error:
        raise RefusedInput(f"the CSV parser failed ({error}); export it again.") from error


def _without_headers(block: CsvRecords) -> CsvRecords:
    equal = [pc.equal(block.cells[name], name).to_numpy(False) for name in block.cells.schema.names]
    is_header = np.logical_and.reduce(equal)
    if not is_header.any():
        return block
    return CsvRecords(
        block.cells.filter(pa.array(~is_header)),
        block.numbers[~is_header],
        np.concatenate((block.damaged, block.numbers[is_header])),
    )
