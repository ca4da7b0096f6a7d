"""Rows as files that people take away: parquet as it is, and CSV that a spreadsheet cannot be tricked by.

Nothing of the data root is written here: the bytes go to whoever asked.
"""

from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.fs.object_store import parquet_file
from amzseg_pipeline.storage.snapshots import Snapshot

FileFormat = Literal["csv", "parquet"]

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""What a cell starts with that spreadsheets take for a formula, full-width forms included (OWASP, CSV injection)."""

_BATCH_ROWS = 65_536


def segment_chunks(snapshot: Snapshot, segment_id: str, *, file_format: FileFormat) -> Iterator[bytes]:
    """The users of one segment with every column, as a file in pieces: of the users one batch at a time is held.

    Raises SnapshotError when the snapshot's file is gone or cannot be read any more.
    """
    path = snapshot.table_path(SEGMENT_ASSIGNMENTS.name)
    try:
        with parquet_file(path) as file:
            of_segment = (
                batch.filter(pc.equal(batch.column("segment_id"), segment_id))
                for batch in file.iter_batches(batch_size=_BATCH_ROWS)
            )
            yield from _chunks(of_segment, file.schema_arrow, file_format=file_format)
    except (pa.ArrowException, OSError) as error:
        raise SnapshotError(
            f"{path}: it could not be read ({error}); check the file and the disk, or run the pipeline again."
        ) from error


def parquet_file_as(path: Path, *, file_format: FileFormat) -> bytes:
    """A parquet file as it is, or as CSV."""
    if file_format == "parquet":
        return path.read_bytes()
    with parquet_file(path) as file:
        return file_of(file.iter_batches(batch_size=_BATCH_ROWS), file.schema_arrow, file_format=file_format)


def file_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, file_format: FileFormat) -> bytes:
    """`batches` as one file; a CSV has a header and is UTF-8, a missing value being an empty cell."""
    return b"".join(_chunks(batches, schema, file_format=file_format))


class _Pipe(RawIOBase):
    """Keeps what is written to it until it is taken."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        written = bytes(self._written)
        self._written.clear()
        return written


def _chunks(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, file_format: FileFormat) -> Iterator[bytes]:
    """`batches` as a file, piece by piece."""
    pipe = _Pipe()
    rows = batches if file_format == "parquet" else _spreadsheet_safe(batches)
    with _writer(pipe, schema, file_format) as writer:
        for batch in rows:
            writer.write_batch(batch)
            yield pipe.taken()
    yield pipe.taken()


def _writer(target: _Pipe, schema: pa.Schema, file_format: FileFormat) -> Any:
    if file_format == "parquet":
        return pq.ParquetWriter(target, schema, compression="zstd")
    return pyarrow.csv.CSVWriter(target, schema)


def _spreadsheet_safe(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows; a text that a spreadsheet would take for a formula has a ' before it."""
    for batch in batches:
        columns = [
            _quoted(column) if pa.types.is_string(field.type) else column
            for field, column in zip(batch.schema, batch.columns, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.if_else(
        pc.match_substring_regex(texts, _FORMULA), pc.binary_join_element_wise("'", texts, ""), texts
    ).cast(pa.string())
