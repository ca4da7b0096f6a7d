"""Columns of a Parquet export as columns of text, batch by batch in bounded memory."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from amzseg_pipeline.storage.landing.guards.parquet import (
    ColumnTypeCheck,
    checked_row_count,
    damaged_parquet,
    parquet_footer,
)
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import Export

_BATCH_ROWS = 2**14


def parquet_texts(export: Export, *, column_types: Mapping[str, ColumnTypeCheck]) -> Iterator[pa.RecordBatch]:
    """The columns of `column_types` that the file has, as text, and `row_number`, counted from 1.

    Times become milliseconds since 1970 UTC, lists are joined by |, and texts too long for a raw row are cut.
    RefusedInput as by `checked_row_count`, and for damaged pages.
    """
    assert export.footer is not None
    checked_row_count(export.path, export.footer, export.settings, column_types=column_types)
    yield from _texts(export.path, export.footer, column_types)


def check_pages(path: Path, column_types: Mapping[str, ColumnTypeCheck]) -> None:
    """Reads all pages of the columns in `column_types`. RefusedInput where one is damaged."""
    for _ in _texts(path, parquet_footer(path), column_types):
        pass


def _texts(
    path: Path, footer: pq.FileMetaData, column_types: Mapping[str, ColumnTypeCheck]
) -> Iterator[pa.RecordBatch]:
    schema = footer.schema.to_arrow_schema()
    columns = [name for name in column_types if name in schema.names]
    flat = [name for name in columns if not pt.is_nested(schema.field(name).type)]
    first = 1
    try:
        # As dictionaries, because a page may store a long text once and refer to it from a million rows.
        with pq.ParquetFile(path, metadata=footer, read_dictionary=flat) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                texts = {name: _text(batch.column(name)) for name in columns}
                numbers = pa.array(np.arange(first, first + len(batch)))
                yield pa.RecordBatch.from_pydict({"row_number": numbers, **texts})
                first += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise damaged_parquet(error) from error


def _text(column: pa.Array) -> pa.Array:
    if pt.is_dictionary(column.type):
        texts = column.dictionary.cast(pa.string())
        texts.validate(full=True)
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > MAX_TEXT_BYTES:
            texts = pc.utf8_slice_codeunits(texts, 0, MAX_TEXT_BYTES + 1)
        return texts.take(column.indices)
    if pt.is_list(column.type) or pt.is_large_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), "|")
    elif pt.is_temporal(column.type):
        column = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64())
    texts = column.cast(pa.string())
    texts.validate(full=True)
    return texts
