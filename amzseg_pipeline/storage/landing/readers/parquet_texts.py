"""Columns of a parquet export as columns of text, batch by batch in bounded memory.

Which columns there are is the format's business.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.parquet import (
    ColumnTypeCheck,
    damaged_parquet,
    parquet_rows,
    parquet_schema,
)
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_TEXT_BYTES

_BATCH_ROWS = 2**14


def parquet_texts(path: Path, settings: Settings, *, kinds: Mapping[str, ColumnTypeCheck]) -> Iterator[pa.RecordBatch]:
    """The columns of `kinds` that the file has, as text, and `row_number`, counted from 1.

    Times are milliseconds since 1970 UTC, lists joined by |, and texts cut where they are too long for a raw row.
    RefusedInput as by `parquet_rows`, and for damaged pages.
    """
    parquet_rows(path, settings, kinds=kinds)
    yield from _texts(path, kinds)


def check_pages(path: Path, kinds: Mapping[str, ColumnTypeCheck]) -> None:
    """RefusedInput where a page of the columns of `kinds` is damaged; reads them all."""
    for _ in _texts(path, kinds):
        pass


def _texts(path: Path, kinds: Mapping[str, ColumnTypeCheck]) -> Iterator[pa.RecordBatch]:
    schema = parquet_schema(path)
    columns = [name for name in kinds if name in schema.names]
    flat = [name for name in columns if not pt.is_nested(schema.field(name).type)]
    first = 1
    try:
        # As dictionaries, because a page that says a long text once may stand for a million rows.
        with pq.ParquetFile(path, read_dictionary=flat) as file:
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
