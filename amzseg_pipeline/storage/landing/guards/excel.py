"""Checks of an Excel workbook before a parser reads it, and the sheet that is read."""

import functools
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

EXCEL_MAGIC = b"PK\x03\x04"
_SMALL_BYTES = 2**24
_CHUNK_BYTES = 2**20
_SMALL_CELLS = 2**22
_REFERENCE = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{0,3})([0-9]{1,9})["']""")
_MAX_REFERENCE_BYTES = 64
_OTHER_WORKBOOKS = frozenset({"content.xml", "xl/workbook.bin"})
"""What makes the parser read a zip file as OpenDocument or as a binary workbook, which are not checked here."""
_MIN_COLUMNS = 3


def check_workbook(path: Path, settings: Settings) -> None:
    """RefusedInput where a zip file is damaged, is not a workbook (.xlsx), or expands beyond the limits."""
    with refuse_unreadable():
        size_bytes = path.stat().st_size
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                ceiling = min(max(size_bytes * settings.max_expansion_ratio, _SMALL_BYTES), settings.max_expanded_bytes)
                expanded_bytes, cells = _expanded_size(archive, members, int(ceiling))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise RefusedInput(f"the workbook (or zip file) is damaged or cut ({error}); deliver it again.") from error
    names = {member.filename.lower() for member in members}
    if names & _OTHER_WORKBOOKS or not any(name.startswith("xl/worksheets/") for name in names):
        raise RefusedInput("this is a zip archive, which cannot be read; deliver the plain text file inside it.")
    if expanded_bytes > ceiling:
        raise RefusedInput(
            f"the workbook of {size_bytes:,} bytes expands to more than {int(ceiling):,}; deliver it in smaller files, "
            "or raise max_expansion_ratio or max_expanded_bytes."
        )
    if cells > max(expanded_bytes, _SMALL_CELLS):
        raise RefusedInput(
            f"the workbook has {cells:,} cells between the first and the last one of its sheets, most of them empty; "
            "delete the cells far away from the table, or save it as CSV."
        )


def _expanded_size(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], ceiling: int) -> tuple[int, int]:
    """The bytes of the members, and the cells that the last rows and columns of all members span.

    Members are decompressed, because readers do not obey the sizes that the archive states, and readers keep every
    cell of the span. Decompression stops above `ceiling`.
    """
    expanded_bytes = cells = 0
    for member in members:
        member.file_size = ceiling + 2 * _CHUNK_BYTES  # so that the end that is stated is never reached
        rows = columns = 0
        text = b""
        with archive.open(member) as stream:
            while expanded_bytes <= ceiling and (chunk := stream.read(_CHUNK_BYTES)):
                expanded_bytes += len(chunk)
                text = text[-_MAX_REFERENCE_BYTES:] + chunk
                for letters, digits in set(_REFERENCE.findall(text)):
                    rows, columns = max(rows, int(digits)), max(columns, _column_number(letters))
        cells += rows * columns
    return expanded_bytes, cells


def _column_number(letters: bytes) -> int:
    """1 for A, 27 for AA; 0 for no letters."""
    return functools.reduce(lambda number, letter: 26 * number + letter - ord("A") + 1, letters.upper(), 0)


def sheet_names(path: Path, settings: Settings) -> tuple[tuple[str, ...], str]:
    """The column names of the sheet that is read, and what is assumed where there are others ("" where not)."""
    check_workbook(path, settings)
    with _workbook(path) as workbook:
        first_rows = dict(_first_rows(workbook))
    name = _sheet_read(first_rows.items())
    headers = {sheet: tuple(map(str, row)) for sheet, row in first_rows.items()}
    header = headers.pop(name)
    if same := [other for other, names in headers.items() if names == header]:
        raise RefusedInput(f"sheets {name!r} and {same[0]!r} have the same columns; save each as a file of its own.")
    return header, f"sheet {name!r} is read, and not {', '.join(map(repr, headers))}" if headers else ""


def sheet_rows(path: Path) -> list[list[object]]:
    """The rows of the sheet that is read, header included."""
    with _workbook(path) as workbook:
        rows = workbook.get_sheet_by_name(_sheet_read(_first_rows(workbook))).to_python(skip_empty_area=True)
        return [list(row) for row in rows]


@contextmanager
def _workbook(path: Path) -> "Iterator[CalamineWorkbook]":
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with path.open("rb") as file:
            yield CalamineWorkbook.from_filelike(file)
    except CalamineError as error:
        raise RefusedInput(f"the workbook cannot be read ({error}); save it again as .xlsx or CSV.") from error


def _first_rows(workbook: "CalamineWorkbook") -> Iterator[tuple[str, list[object]]]:
    """Name and first row of each sheet that is not empty; one sheet is in memory at a time."""
    for name in workbook.sheet_names:
        for row in workbook.get_sheet_by_name(name).to_python(skip_empty_area=True, nrows=1):
            yield name, list(row)


def _sheet_read(first_rows: Iterable[tuple[str, list[object]]]) -> str:
    """The first sheet with at least _MIN_COLUMNS names, else the first one. RefusedInput where there is none."""
    first: str | None = None
    for name, row in first_rows:
        if sum(cell != "" for cell in row) >= _MIN_COLUMNS:
            return name
        first = name if first is None else first
    if first is None:
        raise RefusedInput("the workbook has no rows; deliver it again or remove it.")
    return first
