"""The records of a table of any file type (CSV, Excel, Parquet) as columns of text."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time

import numpy as np
import pyarrow as pa

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.guards.excel import check_workbook, sheet_rows
from amzseg_pipeline.storage.landing.guards.parquet import ColumnTypeCheck
from amzseg_pipeline.storage.landing.readers.csv_records import Records, csv_records
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.landing.scan.export import Export

_NO_DAMAGED_RECORDS = np.empty(0, dtype=np.int64)
_EXACT_FLOAT = 10**15


_MAX_KEPT_BYTES = 2**26


class RecordsReadTwice:
    """Records that are read once to decide how columns are written, and once more for their rows.

    Those of a small export are kept in between, so that its text is parsed once.
    """

    def __init__(self, read: Callable[[], Iterator[Records]]) -> None:
        self._read = read
        self._kept: list[Records] = []
        self._kept_bytes = 0

    def first(self) -> Iterator[Records]:
        """The records."""
        for block in self._read():
            self._kept_bytes += block.cells.nbytes
            if self._kept_bytes > _MAX_KEPT_BYTES:
                self._kept = []
            else:
                self._kept.append(block)
            yield block

    def again(self) -> Iterator[Records]:
        """The same records."""
        if self._kept_bytes > _MAX_KEPT_BYTES:
            yield from self._read()
        else:
            yield from self._kept


def text_records(export: Export, *, column_types: Mapping[str, ColumnTypeCheck]) -> Iterator[Records]:
    """The columns of `export.columns`, under the names of the format, as blocks of texts.

    `column_types` are the types that each column may have in Parquet. RefusedInput as by the readers.
    """
    names = {actual: name for name, actual in export.columns.items()}
    if export.file_type == "Excel":
        yield _excel_records(export)
    elif export.file_type == "parquet":
        types = {actual: column_types[name] for actual, name in names.items()}
        for batch in parquet_texts(export, column_types=types):
            cells = batch.drop_columns("row_number")
            renamed = pa.RecordBatch.from_arrays(cells.columns, [names[name] for name in cells.schema.names])
            yield Records(renamed, batch["row_number"].to_numpy(), _NO_DAMAGED_RECORDS)
    else:
        for records in csv_records(export, tuple(names)):
            cells = pa.RecordBatch.from_arrays(records.cells.columns, list(names.values()))
            yield replace(records, cells=cells)


def _excel_records(export: Export) -> Records:
    check_workbook(export.path, export.settings)
    rows = sheet_rows(export.path)
    header = [str(cell) for cell in rows[0]]
    records = [row for row in rows[1:] if any(cell != "" for cell in row)]
    if not records:
        raise RefusedInput("the sheet has a header but no record; deliver it again or remove it.")
    cells = {
        name: pa.array([_text(row[header.index(actual)]) for row in records], pa.string())
        for name, actual in export.columns.items()
    }
    return Records(pa.RecordBatch.from_pydict(cells), np.arange(1, len(records) + 1), _NO_DAMAGED_RECORDS)


def _text(cell: object) -> str:
    """The cell as text. A number too long for a spreadsheet's 15 digits keeps the form that shows it."""
    if isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, float):
        if not cell.is_integer():
            return repr(cell)
        return str(int(cell)) if abs(cell) < _EXACT_FLOAT else f"{cell:.5E}"
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell)
