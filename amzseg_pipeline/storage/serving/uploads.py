"""A file somebody brings to be scored: CSV or parquet, told by its content, read as text in bounded memory.

No rules about values here: those are steps/users_to_score.py's. Nothing is written.
"""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE

MAX_ROWS = 2_000_000
"""Rows of one file: what 200 MB of CSV hold at 100 bytes a row, and a bound for parquet, which packs any number."""

LONGEST_ROW_BYTES = 2**22
LONGEST_CELL_BYTES = 2**16
LARGEST_EXPANSION = 100
"""A parquet file whose columns unpack to more than this many times its size is refused, unless they are small."""

_SMALL_BYTES = 2**28
_BATCH_ROWS = 65_536
_HEADER_BYTES = 2**16
_CHUNK_BYTES = 2**20
_NO_ROWS = "It has a header and no rows; add a row for each user."
_NEEDED = USERS_TO_SCORE.column_names
_Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class TextRows:
    """Some rows of an upload: `rows` has row_number and the columns of USERS_TO_SCORE as text.

    `damaged` are the numbers of rows whose fields do not match the header; `read` is how much of the file has been
    read so far, 0 to 1.
    """

    rows: pa.Table
    damaged: _Numbers
    read: float


@dataclass(frozen=True)
class Upload:
    """A file that can be scored. `unused` are the names of its other columns, as they stand there."""

    stream: BinaryIO
    file_format: Literal["CSV", "parquet"]
    columns: dict[str, str]
    unused: tuple[str, ...]
    size_bytes: int

    def text_rows(self) -> Iterator[TextRows]:
        """The rows, part by part. Raises RefusedInput, in words, where the file turns out not to be readable."""
        try:
            rows = 0
            for part in _csv_rows(self) if self.file_format == "CSV" else _parquet_rows(self):
                rows += len(part.rows) + len(part.damaged)
                if rows > MAX_ROWS:
                    raise RefusedInput(f"It has more than {MAX_ROWS:,} rows; split it into smaller files.")
                yield part
            if rows == 0:
                raise RefusedInput(_NO_ROWS)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RefusedInput(_unreadable(self.file_format, error)) from error


def upload_of(stream: BinaryIO) -> Upload:
    """The upload in `stream`, looked at but not read. Raises RefusedInput, saying what it is and what to do."""
    size_bytes = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(_HEADER_BYTES)
    if not head.strip():
        raise RefusedInput("The file is empty; download the template, fill it in and upload it.")
    if head.startswith(b"PAR1"):
        return _parquet_upload(stream, size_bytes)
    for signature, kind in ((b"PK\x03\x04", "a zip or Excel file"), (b"\x1f\x8b", "a gzip file")):
        if head.startswith(signature):
            raise RefusedInput(f"This is {kind}, not a CSV or parquet file; unpack it, or save it as CSV (UTF-8).")
    return _csv_upload(stream, head, size_bytes)


def template_csv() -> str:
    """A CSV to fill in: the header, and two made-up users that show which values may be missing."""
    return ",".join(_NEEDED) + "\nuser-1,3,4.3,25,1499.50\nuser-2,1,,60.5,\n"


def _csv_upload(stream: BinaryIO, head: bytes, size_bytes: int) -> Upload:
    is_utf16 = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if b"\0" in head and not is_utf16:
        raise RefusedInput("This is neither a CSV nor a parquet file; upload one of these.")
    line, newline, rest = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not newline and len(head) == _HEADER_BYTES:
        raise RefusedInput("The first line is longer than 64 KiB, so it is no header; upload a CSV or parquet file.")
    try:
        if is_utf16:
            raise ValueError
        names = next(csv.reader([line.decode("utf-8")]), [])
    except ValueError:
        raise RefusedInput("The text is not UTF-8; save the file as CSV (UTF-8).") from None
    except csv.Error:
        raise RefusedInput("The first line is not the header of a CSV; compare it with the template.") from None
    if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
        raise RefusedInput("Its values are not separated by commas; save it as CSV with commas and decimal points.")
    columns, unused = _columns(names)
    if not rest.strip() and size_bytes <= _HEADER_BYTES:
        raise RefusedInput(_NO_ROWS)
    return Upload(stream, "CSV", columns, unused, size_bytes)


def _parquet_upload(stream: BinaryIO, size_bytes: int) -> Upload:
    try:
        file = pq.ParquetFile(stream)
        columns, unused = _columns(file.schema_arrow.names)
        metadata = file.metadata
        unpacked_bytes = sum(
            metadata.row_group(group).column(place).total_uncompressed_size
            for group in range(metadata.num_row_groups)
            for place in range(metadata.num_columns)
            if metadata.row_group(group).column(place).path_in_schema in columns.values()
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RefusedInput(_unreadable("parquet", error)) from error
    if metadata.num_rows > MAX_ROWS:
        raise RefusedInput(f"It has {metadata.num_rows:,} rows, more than {MAX_ROWS:,}; split it into smaller files.")
    if unpacked_bytes > max(_SMALL_BYTES, LARGEST_EXPANSION * size_bytes):
        raise RefusedInput("It unpacks to more than 100 times its size, which no table of users does; check the file.")
    for name, theirs in columns.items():
        kind = file.schema_arrow.field(theirs).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise RefusedInput(f"Its column {name} holds neither numbers nor text; write one value in each cell.")
    return Upload(stream, "parquet", columns, unused, size_bytes)


def _columns(names: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Our name -> theirs, and theirs that are not ours. Case and space around a name do not matter."""
    ours = [name.strip().lower() for name in names]
    missing = [name for name in _NEEDED if name not in ours]
    if missing:
        raise RefusedInput(
            f"It has no column {', '.join(missing)}; the first line must name {', '.join(_NEEDED)}, "
            "with commas between them, in any order."
        )
    repeated = [name for name in _NEEDED if ours.count(name) > 1]
    if repeated:
        raise RefusedInput(f"It has the column {', '.join(repeated)} twice; keep the right one.")
    columns = {name: names[ours.index(name)] for name in _NEEDED}
    return columns, tuple(name for name in names if name not in columns.values())


def _csv_rows(upload: Upload) -> Iterator[TextRows]:
    skipped: SimpleQueue[int] = SimpleQueue()  # the parser may read ahead in a thread of its own

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.put(row.number - 1)  # the parser counts the header
        return "skip"

    _check_text(upload.stream)
    upload.stream.seek(0)
    theirs = list(upload.columns.values())
    blocks = pa.csv.open_csv(
        pa.PythonFile(upload.stream, mode="r"),
        # Without threads, because only then the parser knows the number of a damaged row.
        read_options=pa.csv.ReadOptions(block_size=LONGEST_ROW_BYTES, use_threads=False),
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        convert_options=pa.csv.ConvertOptions(
            include_columns=theirs, column_types=dict.fromkeys(theirs, pa.string()), strings_can_be_null=False
        ),
    )
    first = 1
    damaged: _Numbers = np.empty(0, dtype=np.int64)
    for cells in blocks:
        damaged = np.append(damaged, [skipped.get() for _ in range(skipped.qsize())]).astype(np.int64)
        free = np.setdiff1d(np.arange(first, first + len(cells) + len(damaged) + 1), damaged)
        numbers, first = free[: len(cells)], int(free[len(cells)])
        yield TextRows(_rows(cells, numbers), damaged[damaged < first], upload.stream.tell() / upload.size_bytes)
        damaged = damaged[damaged >= first]
    damaged = np.append(damaged, [skipped.get() for _ in range(skipped.qsize())]).astype(np.int64)
    if len(damaged):
        no_cells = pa.RecordBatch.from_pylist([], schema=pa.schema([(name, pa.string()) for name in theirs]))
        yield TextRows(_rows(no_cells, np.empty(0, dtype=np.int64)), damaged, 1.0)


def _check_text(stream: BinaryIO) -> None:
    """Raises UnicodeDecodeError where the bytes are not UTF-8; the parser looks only at the columns it is asked for."""
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    while chunk := stream.read(_CHUNK_BYTES):
        decoder.decode(chunk)
    decoder.decode(b"", final=True)


def _parquet_rows(upload: Upload) -> Iterator[TextRows]:
    upload.stream.seek(0)
    theirs = list(upload.columns.values())
    # As dictionaries, so that one long text that many rows share is seen before it is written out for each of them.
    file = pq.ParquetFile(upload.stream, read_dictionary=theirs)
    whole, first = file.metadata.num_rows, 1
    for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=theirs):
        numbers = np.arange(first, first + len(batch), dtype=np.int64)
        first += len(batch)
        yield TextRows(_rows(batch.select(theirs), numbers), np.empty(0, dtype=np.int64), (first - 1) / whole)


def _rows(cells: pa.RecordBatch, numbers: _Numbers) -> pa.Table:
    texts = [_as_text(column) for column in cells.columns]
    return pa.Table.from_arrays([pa.array(numbers, pa.int64()), *texts], names=["row_number", *_NEEDED])


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return _as_text(column.dictionary).take(column.indices)
    text = column.cast(pa.string())
    longest = pc.max(pc.binary_length(text)).as_py() or 0
    if longest > LONGEST_CELL_BYTES:
        raise RefusedInput(f"A cell is longer than {LONGEST_CELL_BYTES:,} bytes; it holds no user id and no number.")
    return text


def _unreadable(file_format: str, error: BaseException) -> str:
    if "straddling" in str(error):
        return "A row is longer than 4 MiB; close every quotation mark, and write one row for each user."
    if isinstance(error, UnicodeDecodeError):
        return "The text is not UTF-8; save the file as CSV (UTF-8)."
    advice = "compare it with the template" if file_format == "CSV" else "write it again"
    return f"It cannot be read as {file_format}; {advice}."
