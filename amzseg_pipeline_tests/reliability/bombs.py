"""Small files that expand far beyond the limits, and the memory of a process that reads one."""

import gzip
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook

from amzseg_pipeline_tests.reliability.processes import PROJECT
from amzseg_pipeline_tests.storage.landing.parquet_footers import set_footer_number

MAX_ADDED_MIB = 200
LINE = b'{"rating": 5.0, "parent_asin": "B000000001", "user_id": "A1", "timestamp": 1600000000000}\n'
_UPLOAD = b"user_id,total_reviews,avg_rating,avg_discount,avg_spend\nA1,1,5,0,9.50\n"
_SMALL = {"run": ("reviews.jsonl", LINE), "app": ("users.csv", _UPLOAD)}

_READ = """
import resource, sys, time
from pathlib import Path
from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import raw_reviews
from amzseg_pipeline.storage.serving.uploads import opened_upload

def run(path):
    raw_reviews(DataRoot(path.parents[1]), Settings(), now=time.time(), skip_settling=False)

def app(path):
    with path.open("rb") as stream:
        assert sum(len(rows.rows) for rows in opened_upload(stream).text_rows())

def read(path):
    try:
        {"run": run, "app": app}[reader](Path(path))
    except RefusedInput as error:
        return str(error).replace("\\n", " ")
    return "read"

reader, small, bomb = sys.argv[1:]
print(read(small))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read(bomb))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@dataclass(frozen=True)
class Bomb:
    """A file made by `write`, which returns its expanded size. `message` is part of the refusal."""

    what: str
    name: str
    write: Callable[[Path], int]
    message: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True)
class Defused:
    """The message of a process that read a bomb ("read" if it was not refused), and the growth of its peak memory."""

    packed_bytes: int
    unpacked_bytes: int
    said: str
    added_mib: int


def defused(root: Path, bomb: Bomb, reader: Literal["run", "app"] = "run") -> Defused:
    """Reads a small file, then the bomb, in a separate process, as a run reads exports or the app reads uploads."""
    name, content = _SMALL[reader]
    small, path = root / "small/landing" / name, root / "bomb/landing" / bomb.name
    for each in (small, path):
        each.parent.mkdir(parents=True)
    small.write_bytes(content)
    unpacked_bytes = bomb.write(path)
    command = [sys.executable, "-c", _READ, reader, str(small), str(path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    said_of_small, said, added_mib = done.stdout.splitlines()
    assert said_of_small == "read", said_of_small
    return Defused(path.stat().st_size, unpacked_bytes, said, int(added_mib))


def _packed_lines(path: Path) -> int:
    """256 MiB of reviews in a .gz with many members."""
    lines = LINE * (2**23 // len(LINE))
    member = gzip.compress(lines, mtime=0)
    path.write_bytes(member * 32)
    return 32 * len(lines)


def _zstd_lines(path: Path) -> int:
    """256 MiB of reviews in a .zst."""
    lines = LINE * (2**23 // len(LINE))
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        for _ in range(32):
            stream.write(lines)
    return 32 * len(lines)


def _packed_line_without_end(path: Path) -> int:
    """One oversized line after many normal ones; the file is below the limits."""
    path.write_bytes(gzip.compress(LINE * 20_000 + LINE[:-3] + b" " * 2**23 + LINE[-3:], mtime=0))
    return 2**23


def _rows_of_one_value(path: Path) -> int:
    """18 million rows in a Parquet file of a few KiB."""
    rows = 6_000_000
    columns = {"user_id": "A1", "parent_asin": "B1", "rating": 5.0, "timestamp": 1_600_000_000_000}
    table = pa.table({name: pa.repeat(pa.scalar(value), rows) for name, value in columns.items()})
    with pq.ParquetWriter(path, table.schema, compression="zstd", max_rows_per_page=rows) as writer:
        for _ in range(3):
            writer.write_table(table, row_group_size=rows)
    return 3 * rows


def _texts_of_one_letter(path: Path) -> int:
    """512 MiB of text in the user id column of a Parquet file of a few KiB."""
    texts = pa.array(["A" * 2**16] * 1024)
    table = pa.table({"user_id": texts, "parent_asin": texts, "rating": pa.repeat(5.0, 1024)})
    table = table.append_column("timestamp", pa.repeat(1_600_000_000_000, 1024))
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(4):
            writer.write_table(table)
    return 2**29


def _texts_behind_a_lying_footer(path: Path) -> int:
    """The same with a footer that claims tiny sizes."""
    unpacked_bytes = _texts_of_one_letter(path)
    footer = pq.read_metadata(path)
    groups = range(footer.num_row_groups)
    for truth in {
        footer.row_group(group).column(number).total_uncompressed_size for group in groups for number in (0, 1)
    }:
        set_footer_number(path, actual=truth, stated=1_000)
    return unpacked_bytes


def _sheet_of_one_letter(path: Path) -> int:
    """A sheet of 256 MiB in an Excel workbook."""
    cell = b'<row><c t="inlineStr"><is><t>' + b"A" * 2**16 + b"</t></is></c></row>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(2**12):
                sheet.write(cell)
    return 2**28


def _sheet_behind_a_false_size(path: Path) -> int:
    """The same, whose directory states a size of 1 kB."""
    expanded_bytes = _sheet_of_one_letter(path)
    content = bytearray(path.read_bytes())
    for record, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.rfind(record)
        content[at + offset : at + offset + 4] = (1_000).to_bytes(4, "little")
    path.write_bytes(bytes(content))
    return expanded_bytes


def _cells_far_apart(path: Path) -> int:
    """A sheet of two cells, one of them in the last row and column that there can be: 2^34 cells."""
    workbook = Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet["A1"], sheet["XFD1048576"] = "user_id", "x"
    workbook.save(path)
    return 2**34


def _sheets_of_cells_apart(path: Path) -> int:
    """64 sheets of two cells, each of nearly 2^22 cells in between, which one sheet may have."""
    workbook = Workbook()
    for number in range(64):
        sheet = workbook.create_sheet(f"s{number}")
        sheet["A1"] = "user_id"
        sheet.cell(2**11 - 1, 2**11 - 1, "x")
    workbook.save(path)
    return 64 * 2**22


def _other_workbook_in_disguise(path: Path) -> int:
    """An OpenDocument sheet of 2^34 repeated cells in an archive that looks like an Excel workbook."""
    content = (
        b'<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        b'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><office:body><office:spreadsheet>'
        b'<table:table table:name="a"><table:table-row table:number-rows-repeated="1048576">'
        b'<table:table-cell table:number-columns-repeated="16384" office:value-type="float" office:value="1"/>'
        b"</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("xl/worksheets/sheet1.xml", "<worksheet/>")
    return 2**34


BOMBS = (
    Bomb("256 MiB of lines in a .gz", "reviews.jsonl.gz", _packed_lines, "expands to more than"),
    Bomb("a line of 8 MiB in a .gz", "reviews.jsonl.gz", _packed_line_without_end, "longer than"),
    Bomb("18 million equal rows in a Parquet file", "reviews.parquet", _rows_of_one_value, "expands to"),
    Bomb("512 MiB of text in a Parquet file", "reviews.parquet", _texts_of_one_letter, "expands to"),
    Bomb("the same with a false footer", "reviews.parquet", _texts_behind_a_lying_footer, "expands to"),
    Bomb("256 MiB of text in an Excel sheet", "reviews.xlsx", _sheet_of_one_letter, "expands to more than"),
    Bomb("2^34 empty cells in an Excel sheet", "reviews.xlsx", _cells_far_apart, "most of them empty"),
    Bomb("2^28 empty cells in 64 sheets", "reviews.xlsx", _sheets_of_cells_apart, "most of them empty"),
    Bomb(
        "2^34 repeated cells of OpenDocument in it",
        "reviews.xlsx",
        _other_workbook_in_disguise,
        "this is a zip archive",
    ),
    Bomb("256 MiB of lines in a .zst", "reviews.jsonl.zst", _zstd_lines, "expands to more than"),
    Bomb(
        "256 MiB of text in an Excel sheet with a false size",
        "reviews.xlsx",
        _sheet_behind_a_false_size,
        "expands to more than",
    ),
)
