"""An uploaded file of users to score (CSV, Excel, Parquet), read as text with guards and readers of the landing zone.

The file is copied to a temporary folder that is deleted with the Upload. steps/users_to_score.py parses the values.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import BinaryIO, Literal
from weakref import finalize

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.csv import csv_record_count
from amzseg_pipeline.storage.landing.guards.excel import EXCEL_MAGIC
from amzseg_pipeline.storage.landing.guards.parquet import ID, VALUE, ColumnTypeCheck, checked_row_count, is_parquet
from amzseg_pipeline.storage.landing.readers.decompression import compression_of
from amzseg_pipeline.storage.landing.readers.records import text_records
from amzseg_pipeline.storage.landing.scan.export import DELIMITERS, Export, opened_export

MAX_ROWS = 2_000_000
"""Rows of one file: about what 200 MB of CSV hold."""

_COLUMNS = USERS_TO_SCORE.column_names
_LIMITS = Settings(max_expanded_bytes=2**28)
"""A workbook is read into memory, and an expanded one of this size has about as many rows as are allowed."""

_COLUMN_TYPES: dict[str, ColumnTypeCheck] = {name: ID if name == "user_id" else VALUE for name in _COLUMNS}
"""The types that each column may have in a Parquet file."""

_FORMATS: dict[str, Literal["CSV", "Excel", "Parquet"]] = {"CSV": "CSV", "Excel": "Excel", "parquet": "Parquet"}


@dataclass(frozen=True)
class TextRows:
    """Some rows of an upload: row_number and the columns of USERS_TO_SCORE as text.

    `damaged` are the numbers of rows whose number of cells differs from the header's.
    """

    rows: pa.Table
    damaged: NDArray[np.int64]


@dataclass(frozen=True)
class Upload:
    """A file whose rows can be scored.

    `columns` maps the columns of USERS_TO_SCORE to their names in the file; `unused_columns` are all others.
    """

    export: Export
    columns: dict[str, str]
    unused_columns: tuple[str, ...]
    row_count: int

    @property
    def file_format(self) -> Literal["CSV", "Excel", "Parquet"]:
        """The type of the file."""
        return _FORMATS[self.export.file_type]

    @property
    def has_decimal_commas(self) -> bool:
        """Whether a comma is the decimal sign: in files whose values are separated by semicolons."""
        return self.file_format == "CSV" and self.export.delimiter == ";"

    @property
    def description(self) -> str:
        """How the file is read, for a person."""
        if self.file_format != "CSV":
            return self.file_format
        decimals = "; commas in numbers are decimal signs" if self.has_decimal_commas else ""
        return f"CSV, values separated by {DELIMITERS[self.export.delimiter]}{decimals}"

    def text_rows(self) -> Iterator[TextRows]:
        """The rows in bounded batches.

        Raises:
            RefusedInput: the file cannot be parsed.
        """
        for records in text_records(self.export, column_types=_COLUMN_TYPES):
            cells = [records.cells[name] for name in _COLUMNS]
            if self.has_decimal_commas:
                cells = [
                    texts if name == "user_id" else _with_decimal_points(texts)
                    for name, texts in zip(_COLUMNS, cells, strict=True)
                ]
            numbers = pa.array(records.numbers, pa.int64())
            rows = pa.Table.from_arrays([numbers, *cells], names=["row_number", *_COLUMNS])
            yield TextRows(rows, records.damaged)


def opened_upload(stream: BinaryIO) -> Upload:
    """The upload in `stream`, its format and columns checked.

    Raises:
        RefusedInput: it is no CSV, Excel or Parquet file of users; the message says why and what to do.
    """
    folder = Path(mkdtemp(prefix="amzseg-upload-"))
    try:
        upload = _checked(_copy(stream, folder / "upload"))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finalize(upload, shutil.rmtree, folder, ignore_errors=True)
    return upload


def template_csv() -> str:
    """A CSV to fill in: the header and two example users, the second with missing values."""
    return ",".join(_COLUMNS) + "\nuser-1,3,4.3,25,1499.50\nuser-2,1,,60.5,\n"


def _copy(stream: BinaryIO, path: Path) -> Path:
    """A copy of the upload at `path`; a last line without line end gets one, which landing files must have."""
    stream.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(stream, target)
        if not target.tell():
            raise RefusedInput("the file is empty; download the template, fill it in and upload it.")
    if not is_parquet(path) and not compression_of(path):
        with path.open("r+b") as file:
            if file.read(len(EXCEL_MAGIC)) == EXCEL_MAGIC:
                return path
            file.seek(-1, os.SEEK_END)
            if file.read(1) not in (b"\n", b"\r"):
                file.write(b"\n")
    return path


def _checked(path: Path) -> Upload:
    export = opened_export(path, _LIMITS, now=time.time())
    if export.is_utf_16:
        raise RefusedInput("this is UTF-16 text; save it as CSV (UTF-8).")
    if export.file_type not in _FORMATS or compression_of(path):
        kind = f"compressed {export.file_type}" if compression_of(path) else export.file_type
        raise RefusedInput(f"this is {kind}; save it as CSV (UTF-8), or upload an Excel or Parquet file.")
    row_count = 0
    if export.file_type == "CSV":
        with path.open("rb") as stream:
            row_count = csv_record_count(stream) - 1
    columns, unused_columns = _matched_columns(export.names[0])
    export = replace(export, columns=columns)
    if export.footer is not None:
        types = {theirs: _COLUMN_TYPES[name] for name, theirs in columns.items()}
        row_count = checked_row_count(path, export.footer, _LIMITS, column_types=types)
    elif export.file_type == "Excel":
        row_count = sum(len(records.numbers) for records in text_records(export, column_types=_COLUMN_TYPES))
    upload = Upload(export, columns, unused_columns, row_count)
    if upload.row_count > MAX_ROWS:
        raise RefusedInput(f"it has {upload.row_count:,} rows, more than {MAX_ROWS:,}; split it into smaller files.")
    return upload


def _with_decimal_points(texts: pa.Array) -> pa.Array:
    """Numbers with decimal commas as 1499.50; 1.499,50 loses the points that separate its thousands.

    1.499 may be either, so it becomes a text that is no number, and its row is rejected.
    """
    has_thousands = pc.match_substring_regex(texts, r"^\s*[0-9]{1,3}((\.[0-9]{3})+,|(\.[0-9]{3}){2,}\s*$)")
    is_ambiguous = pc.match_substring_regex(texts, r"^\s*[1-9][0-9]{0,2}\.[0-9]{3}\s*$")
    without = pc.if_else(has_thousands, pc.replace_substring(texts, ".", ""), texts)
    points = pc.replace_substring(without, ",", ".")
    return pc.if_else(is_ambiguous, pc.binary_join_element_wise(points, "(thousands or decimals?)", " "), points)


def _matched_columns(names: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Our column name -> name in the file, and the other names. Case and surrounding space do not matter."""
    normalized = [name.strip().lower() for name in names]
    if missing := [name for name in _COLUMNS if name not in normalized]:
        raise RefusedInput(
            f"it has no column {', '.join(missing)}; the first line must name {', '.join(_COLUMNS)}, in any order."
        )
    if repeated := [name for name in _COLUMNS if normalized.count(name) > 1]:
        raise RefusedInput(f"it has the column {', '.join(repeated)} twice; keep one of them.")
    columns = {name: names[normalized.index(name)] for name in _COLUMNS}
    return columns, tuple(name for name in names if name not in columns.values())
