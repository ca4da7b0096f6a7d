"""Rows as files that people take away: parquet as it is, and CSV that a spreadsheet cannot be tricked by.

Nothing of the data root is written here: the bytes go to whoever asked.
"""

from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.snapshots import Snapshot

FileFormat = Literal["csv", "parquet"]

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""What a cell starts with that spreadsheets take for a formula, full-width forms included (OWASP, CSV injection)."""

_BATCH_ROWS = 65_536


def segment_file(snapshot: Snapshot, segment_id: str, *, file_format: FileFormat) -> bytes:
    """The users of one segment with every column. Read batch by batch: only the users asked for are held.

    Raises SnapshotError when the snapshot's file is gone or cannot be read any more.
    """
    path = snapshot.table_path(SEGMENT_ASSIGNMENTS.name)
    try:
        with pq.ParquetFile(path) as file:
            of_segment = (
                batch.filter(pc.equal(batch.column("segment_id"), segment_id))
                for batch in file.iter_batches(batch_size=_BATCH_ROWS)
            )
            return file_of(of_segment, file.schema_arrow, file_format=file_format)
    except (pa.ArrowException, OSError) as error:
        raise SnapshotError(
            f"{path}: it could not be read ({error}); check the file and the disk, or run the pipeline again."
        ) from error


def parquet_file_as(path: Path, *, file_format: FileFormat) -> bytes:
    """A parquet file as it is, or as CSV."""
    if file_format == "parquet":
        return path.read_bytes()
    with pq.ParquetFile(path) as file:
        return file_of(file.iter_batches(batch_size=_BATCH_ROWS), file.schema_arrow, file_format=file_format)


def file_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, file_format: FileFormat) -> bytes:
    """`batches` as one file; a CSV has a header and is UTF-8, a missing value being an empty cell."""
    target = BytesIO()
    if file_format == "parquet":
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    else:
        with pyarrow.csv.CSVWriter(target, schema) as writer:
            for batch in _spreadsheet_safe(batches):
                writer.write_batch(batch)
    return target.getvalue()


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
