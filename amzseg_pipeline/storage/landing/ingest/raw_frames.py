"""The raw rows of batches as one lazy frame on an engine: batch files, and exports that are read in place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import narwhals as nw

from amzseg_pipeline.contracts.errors import RefusedForNow, RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_ITEMS, RAW_REVIEWS
from amzseg_pipeline.storage.engines import Engine, ExportFile
from amzseg_pipeline.storage.landing.formats.export_format import InPlaceFormat
from amzseg_pipeline.storage.landing.guards.parquet import parquet_footer
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable
from amzseg_pipeline.storage.landing.ingest.batch_files import batch_id
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch
from amzseg_pipeline.storage.landing.readers.parquet_texts import check_pages
from amzseg_pipeline.storage.landing.scan.listing import landing_file
from amzseg_pipeline.storage.parquet.tables import existing_table


def raw_reviews_frame(batches: Sequence[Batch], engine: Engine) -> nw.LazyFrame:
    """The rows of batches of reviews, with the columns of RAW_REVIEWS.

    If all of them are read in place, rating and reviewed_at are numbers; otherwise all columns are text. RefusedForNow
    where an export that is read in place changed since raw_reviews.
    """
    batch_files = [batch.parquet_path for batch in batches if not batch.is_read_in_place]
    frames = list(_frames_in_place(batches, engine))
    if batch_files:
        frames = [_as_text(frame) for frame in frames]
        frames.append(engine.scan([existing_table(path) for path in batch_files]))
    return nw.concat(frames)


def raw_items_frame(reviews: Sequence[Batch], items: Sequence[Batch], engine: Engine) -> nw.LazyFrame:
    """The rows of batches of items, with the columns of RAW_ITEMS; without items, an empty frame."""
    if items:
        return engine.scan([existing_table(batch.parquet_path) for batch in items])
    empty = raw_reviews_frame(reviews[:1], engine).filter(nw.col("row_number") < 1)
    return empty.with_columns(price=nw.col("paid_price")).select(RAW_ITEMS.column_names)


@contextmanager
def refuse_damaged_exports(batches: Sequence[Batch]) -> Iterator[None]:
    """RefusedForNow where an export that is read in place changes in the block, RefusedInput for damaged pages.

    Only footers are checked beforehand: checking every page would read every export twice.
    """
    in_place = [batch for batch in batches if batch.is_read_in_place]
    try:
        yield
    except RefusedInput:
        raise
    except Exception:
        for batch in in_place:
            _check_unchanged(batch)
            _check_pages(batch)
        raise
    for batch in in_place:
        _check_unchanged(batch)


def _check_pages(batch: Batch) -> None:
    assert isinstance(batch.export_format, InPlaceFormat)
    try:
        check_pages(batch.parquet_path, batch.export_format.column_types)
    except RefusedInput as refusal:
        raise RefusedInput(f"{batch.path}: {refusal}") from refusal


def _frames_in_place(batches: Sequence[Batch], engine: Engine) -> Iterator[nw.LazyFrame]:
    """One frame for all exports of the same format and column types."""
    in_place = [batch for batch in batches if batch.is_read_in_place]
    for _, of_same_types in groupby(sorted(in_place, key=_types), key=_types):
        group = list(of_same_types)
        export_format = group[0].export_format
        assert isinstance(export_format, InPlaceFormat)
        files = [
            ExportFile(batch.parquet_path, source_file=batch.path, batch=batch_id(batch.sha256)) for batch in group
        ]
        columns = tuple(export_format.column_types)
        yield export_format.raw_frame(engine.scan_exports(files, columns=columns, user_id="user_id"))


def _types(batch: Batch) -> tuple[str, ...]:
    """The format and the column types of this export, after checking that it did not change since it was listed."""
    _check_unchanged(batch)
    schema = parquet_footer(batch.parquet_path).schema.to_arrow_schema()
    return (batch.format, *(str(schema.field(name).type) for name in batch.export_format.required_names))


def _check_unchanged(batch: Batch) -> None:
    root = batch.parquet_path.parents[batch.path.count("/")]
    with refuse_unreadable():
        now = landing_file(root, batch.path)
    if (now.size_bytes, now.modified_ns, now.etag) != (batch.size_bytes, batch.modified_ns, batch.etag):
        raise RefusedForNow(f"{batch.path}: it changed after raw_reviews read it; materialise raw_reviews again.")


def _as_text(frame: nw.LazyFrame) -> nw.LazyFrame:
    texts = [column.name for column in RAW_REVIEWS.columns if column.type == "string"]
    return frame.with_columns(nw.col(*texts).cast(nw.String()))
