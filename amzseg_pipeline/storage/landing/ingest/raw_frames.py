"""The raw rows of batches as one frame on an engine: parts of ours, and exports that are scanned where they lie.

No rules here, and nothing is computed before the frame is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import narwhals as nw

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.storage.engines import Engine, ExportFile
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat
from amzseg_pipeline.storage.landing.guards.parquet import parquet_schema
from amzseg_pipeline.storage.landing.guards.text import reading
from amzseg_pipeline.storage.landing.ingest.parts import batch_id
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch
from amzseg_pipeline.storage.landing.readers.parquet_texts import check_pages
from amzseg_pipeline.storage.parquet.tables import existing_table


def raw_reviews_frame(batches: Sequence[Batch], engine: Engine) -> nw.LazyFrame:
    """The rows of batches of reviews, with the columns of RAW_REVIEWS.

    Where all of them are scanned, rating and reviewed_at are numbers; else everything is text. RefusedForNow where an
    export that is scanned is no longer the one that raw_reviews saw.
    """
    parts = [batch.part for batch in batches if not batch.is_read_in_place]
    frames = list(_scanned(batches, engine))
    if parts:
        frames = [_as_text(frame) for frame in frames]
        frames.append(engine.scan([existing_table(part) for part in parts]))
    return nw.concat(frames)


def raw_items_frame(reviews: Sequence[Batch], items: Sequence[Batch], engine: Engine) -> nw.LazyFrame:
    """The rows of batches of items, with the columns of RAW_ITEMS; without items, no rows made of those of reviews."""
    if items:
        return engine.scan([existing_table(batch.part) for batch in items])
    none = raw_reviews_frame(reviews[:1], engine).filter(nw.col("row_number") < 1)
    return none.with_columns(price=nw.col("paid_price")).select(RAW_ITEMS.column_names)


@contextmanager
def reading_in_place(batches: Sequence[Batch]) -> Iterator[None]:
    """Turns an engine's error on the rows of `batches` into a RefusedInput where pages of an export are damaged.

    Only its footer is read beforehand: to read every page as well would be to read every export twice.
    """
    try:
        yield
    except RefusedInput:
        raise
    except Exception:
        for batch in batches:
            if batch.is_read_in_place:
                _check_pages(batch)
        raise


def _check_pages(batch: Batch) -> None:
    assert isinstance(batch.export_format, InPlaceFormat)
    try:
        check_pages(batch.part, batch.export_format.kinds)
    except RefusedInput as refusal:
        raise RefusedInput(f"{batch.path}: {refusal}") from refusal


def _scanned(batches: Sequence[Batch], engine: Engine) -> Iterator[nw.LazyFrame]:
    """A frame for all exports of one format and of the same types."""
    scanned = [batch for batch in batches if batch.is_read_in_place]
    for _, alike in groupby(sorted(scanned, key=_types), key=_types):
        group = list(alike)
        export_format = group[0].export_format
        assert isinstance(export_format, InPlaceFormat)
        files = [ExportFile(batch.part, source_file=batch.path, batch=batch_id(batch.sha256)) for batch in group]
        yield export_format.raw_frame(engine.scan_exports(files, columns=tuple(export_format.kinds), user_id="user_id"))


def _types(batch: Batch) -> tuple[str, ...]:
    """The format and the types of its columns in this export, once it is seen to be the one that was read."""
    with reading():
        status = batch.part.stat()
    if (status.st_size, status.st_mtime_ns) != (batch.size_bytes, batch.modified_ns):
        raise RefusedForNow(f"{batch.path}: it changed after raw_reviews read it; materialise raw_reviews again.")
    schema = parquet_schema(batch.part)
    return (batch.format, *(str(schema.field(name).type) for name in batch.export_format.needed))


def _as_text(frame: nw.LazyFrame) -> nw.LazyFrame:
    texts = [column.name for column in RAW_REVIEWS.columns if column.type == "string"]
    return frame.with_columns(nw.col(*texts).cast(nw.String()))
