"""Rows as downloadable files: Parquet unchanged, and CSV in which no cell is taken for a formula."""

from collections.abc import Iterable, Iterator
from io import RawIOBase
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from amzseg_pipeline.storage.fs.object_store import parquet_file
from amzseg_pipeline.storage.serving.snapshot_queries import Campaign, PublishedUsers

FileFormat = Literal["csv", "parquet"]

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""Spreadsheets take cells that start like this for formulas, full-width forms included (OWASP, CSV injection)."""

_BATCH_ROWS = 65_536


def campaign_chunks(
    users: PublishedUsers, segment_id: str, campaign: Campaign, *, file_format: FileFormat
) -> Iterator[bytes]:
    """The users of a campaign list with every column, as a file in chunks; one batch at a time is in memory.

    Raises:
        SnapshotError: the file of the snapshot is missing or unreadable.
    """
    schema = users.schema()
    batches = (
        pa.RecordBatch.from_arrays([batch.column(field.name).cast(field.type) for field in schema], schema=schema)
        for batch in users.campaign_batches(segment_id, campaign, rows=_BATCH_ROWS)
    )
    yield from _chunks(batches, schema, file_format=file_format)


def parquet_file_as(path: Path, *, file_format: FileFormat) -> bytes:
    """A Parquet file unchanged, or as CSV."""
    if file_format == "parquet":
        return path.read_bytes()
    with parquet_file(path) as file:
        return file_content(file.iter_batches(batch_size=_BATCH_ROWS), file.schema_arrow, file_format=file_format)


def file_content(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, file_format: FileFormat) -> bytes:
    """`batches` as one file; a CSV is UTF-8 with a header and empty cells for missing values."""
    return b"".join(_chunks(batches, schema, file_format=file_format))


class _Pipe(RawIOBase):
    """A file-like buffer that is emptied by `taken`."""

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
    """`batches` as a file in chunks."""
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
    """The same rows; a text that a spreadsheet would take for a formula starts with an added '."""
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
