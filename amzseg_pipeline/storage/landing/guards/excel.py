"""Checks of an Excel workbook before a parser reads it, and the header of its first sheet that is not empty."""

import zipfile
import zlib
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable

EXCEL_MAGIC = b"PK\x03\x04"
_SMALL_BYTES = 2**24
_CHUNK_BYTES = 2**20


def check_workbook(path: Path, settings: Settings) -> None:
    """RefusedInput where a zip file is damaged, is not a workbook (.xlsx), or expands beyond the limits."""
    with refuse_unreadable():
        size_bytes = path.stat().st_size
        try:
            with path.open("rb") as file, zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                ceiling = min(max(size_bytes * settings.max_expansion_ratio, _SMALL_BYTES), settings.max_expanded_bytes)
                expanded_bytes = _expanded_bytes(archive, members, int(ceiling))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise RefusedInput(f"the zip file is damaged or cut ({error}); deliver it again.") from error
    if not any(member.filename.startswith("xl/worksheets/") for member in members):
        raise RefusedInput("this is a zip archive, which cannot be read; deliver the plain text file inside it.")
    if expanded_bytes > ceiling:
        raise RefusedInput(
            f"the workbook of {size_bytes:,} bytes expands to more than {int(ceiling):,}; deliver it in smaller files, "
            "or raise max_expansion_ratio or max_expanded_bytes."
        )


def _expanded_bytes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], ceiling: int) -> int:
    """The size of the members by decompressing them, because readers do not obey the sizes that the archive states.

    Decompression stops above `ceiling`.
    """
    expanded_bytes = 0
    for member in members:
        member.file_size = ceiling + 2 * _CHUNK_BYTES  # so that the end that is stated is never reached
        with archive.open(member) as stream:
            while expanded_bytes <= ceiling and (chunk := stream.read(_CHUNK_BYTES)):
                expanded_bytes += len(chunk)
    return expanded_bytes


def sheet_names(path: Path, settings: Settings) -> tuple[str, ...]:
    """The column names in the first row of the first sheet that is not empty."""
    check_workbook(path, settings)
    rows = sheet_rows(path)
    return tuple(str(cell) for cell in rows[0])


def sheet_rows(path: Path) -> list[list[object]]:
    """The rows of the first sheet that is not empty, header included. RefusedInput where there is none."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with path.open("rb") as file:
            workbook = CalamineWorkbook.from_filelike(file)
        for name in workbook.sheet_names:
            if rows := workbook.get_sheet_by_name(name).to_python(skip_empty_area=True):
                return [list(row) for row in rows]
    except CalamineError as error:
        raise RefusedInput(f"the workbook cannot be read ({error}); save it again as .xlsx or CSV.") from error
    raise RefusedInput("the workbook has no rows; deliver it again or remove it.")
