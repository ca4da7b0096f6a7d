"""Columns of a Parquet export as columns of text, batch by batch in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from amzseg_pipeline.storage.fs.object_store import access_errors, parquet_file
from amzseg_pipeline.storage.landing.guards.parquet import (
    ColumnTypeCheck,
    checked_row_count,
    damaged_parquet,
    parquet_footer,
)
from amzseg_pipeline.storage.landing.readers.raw_text import MAX_TEXT_BYTES
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.ids import check_ids
from amzseg_pipeline.storage.landing.values.times import UNITS, is_plausible, plausible_unit

_BATCH_ROWS = 2**14
_ID_ROWS = 2**11
"""Few, because a page may store one long text for all of them."""


def parquet_texts(export: Export, *, column_types: Mapping[str, ColumnTypeCheck]) -> Iterator[pa.RecordBatch]:
    """The columns of `column_types` that the file has, as text, and `row_number`, counted from 1.

    Times become milliseconds since 1970 UTC, lists are joined by |, and texts too long for a raw row are cut.
    RefusedInput as by `checked_row_count`, and for damaged pages.
    """
    assert export.footer is not None
    checked_row_count(export.path, export.footer, export.settings, column_types=column_types)
    yield from _texts(export.path, export.footer, column_types)


def check_stored_ids(export: Export, names: Sequence[str]) -> None:
    """RefusedInput where ids are in scientific notation: spreadsheets write long numbers so, among shorter ones.

    Row groups whose ids begin with a letter by the statistics are not read.
    """
    footer = export.footer
    assert footer is not None
    try:
        with parquet_file(export.path, metadata=footer) as file:
            for group in range(footer.num_row_groups):
                for name in names:
                    statistics = _statistics(footer, group, name)
                    if statistics and str(statistics.min)[:1].isalpha():
                        continue
                    for batch in file.iter_batches(batch_size=_ID_ROWS, row_groups=[group], columns=[name]):
                        check_ids(pa.table({name: batch[name].cast(pa.string())}), {name: name})
    except access_errors(pa.ArrowException) as error:
        raise damaged_parquet(error) from error


def parquet_time_unit(export: Export, name: str) -> str | None:
    """The unit of a column of integers by plausibility, None where none fits.

    RefusedInput where units are mixed, and where values contradict the statistics in the footer: engines skip checks of
    values that the statistics make unnecessary, so that damaged values would pass.
    """
    footer = export.footer
    assert footer is not None
    samples: list[float] = []
    try:
        with parquet_file(export.path, metadata=footer) as file:
            for group in range(footer.num_row_groups):
                batches = file.iter_batches(batch_size=2**16, row_groups=[group], columns=[name])
                values = [batch.column(0).drop_null() for batch in batches]
                bounds = [pc.min_max(part) for part in values if len(part)]
                if not bounds:
                    continue
                low = min(bound["min"].as_py() for bound in bounds)
                high = max(bound["max"].as_py() for bound in bounds)
                _check_statistics(footer, group, name, low, high)
                units = {plausible_unit([bound], now=export.now) for bound in (low, high)}
                # Every value is looked at only where the extremes leave the unit open.
                found = [low, high] if len(units) == 1 and None not in units else _samples(values, now=export.now)
                samples += found
    except access_errors(pa.ArrowException) as error:
        raise damaged_parquet(error) from error
    return plausible_unit(samples, now=export.now)


def _check_statistics(footer: pq.FileMetaData, group: int, name: str, low: int, high: int) -> None:
    statistics = _statistics(footer, group, name)
    if statistics is None:
        return
    if low < statistics.min or high > statistics.max:
        raise damaged_parquet(
            ValueError(
                f"row group {group + 1}: {name} has values from {low:,} to {high:,} but the footer states "
                f"{statistics.min:,} to {statistics.max:,}"
            )
        )


def _statistics(footer: pq.FileMetaData, group: int, name: str) -> pq.Statistics | None:
    """The statistics of a column in a row group, None where they have no extremes."""
    chunks = (footer.row_group(group).column(index) for index in range(footer.num_columns))
    statistics = next(chunk.statistics for chunk in chunks if chunk.path_in_schema == name)
    return statistics if statistics is not None and statistics.has_min_max else None


def _samples(columns: list[pa.Array], *, now: float) -> list[float]:
    """One value for each unit in which some are plausible."""
    values = np.concatenate(
        [column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) for column in columns]
    )
    fitting = (values[is_plausible(values, unit, now=now)] for unit in UNITS)
    return [float(found[0]) for found in fitting if len(found)]


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
        with parquet_file(path, metadata=footer, read_dictionary=flat) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
                texts = {name: _text(batch.column(name)) for name in columns}
                numbers = pa.array(np.arange(first, first + len(batch)))
                yield pa.RecordBatch.from_pydict({"row_number": numbers, **texts})
                first += len(batch)
    except access_errors(pa.ArrowException) as error:
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
