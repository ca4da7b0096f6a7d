"""Tables with one review per record: how each column is read, and what identifies a review.

A format of this type is a declaration: its columns and their meaning. CSV, Excel and Parquet are read the same way.

Over 250 lines: the types of all columns and the one way in which every table becomes rows.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.guards import parquet as parquet_guard
from amzseg_pipeline.storage.landing.readers.csv_records import Numbers, Records
from amzseg_pipeline.storage.landing.readers.raw_text import check_lengths, currencies_of, known_texts, missing_texts
from amzseg_pipeline.storage.landing.readers.records import RecordsReadTwice, text_records
from amzseg_pipeline.storage.landing.scan.column_mapping import ColumnMapping
from amzseg_pipeline.storage.landing.scan.export import Export, FileType
from amzseg_pipeline.storage.landing.values.column import ColumnStyle
from amzseg_pipeline.storage.landing.values.ids import IdStyle
from amzseg_pipeline.storage.landing.values.numbers import (
    CountStyle,
    PercentStyle,
    PriceStyle,
    RatingStyle,
    currency_code,
)
from amzseg_pipeline.storage.landing.values.times import TimeStyle
from amzseg_pipeline.storage.parquet.user_hash import user_hashes

Identity = Literal["review_id", "item and time", "record"]

COLUMN_TYPES = {
    **dict.fromkeys(("rating", "rating_count", "paid_price", "list_price", "discount_percent"), parquet_guard.VALUE),
    **dict.fromkeys(("currency", "category"), parquet_guard.VALUE),
    **dict.fromkeys(("user_id", "item_id", "review_id"), parquet_guard.ID),
    "reviewed_at": parquet_guard.TIME,
}
_NOTHING_STATED = ColumnMapping()
_CURRENCY = "^[A-Z]{3}$"
_CODE_BEFORE_AMOUNT = r"^(?P<code>[A-Z]{3}) "


@dataclass(frozen=True)
class TableLayout:
    """The columns of raw_reviews by the names of the format's columns.

    `time_unit` is the unit of numbers in `reviewed_at` by the format's documentation. `identity` is what identifies a
    review of a user where there is no `review_id`.
    """

    columns: Mapping[str, str]
    time_unit: str = "milliseconds"
    identity: Identity = "item and time"


def tabular_format(
    *,
    name: str,
    version: str,
    layout: TableLayout,
    required: tuple[str, ...] = (),
    ignored: tuple[str, ...] = (),
    hashed: tuple[str, ...] = (),
    excluded: tuple[str, ...] = (),
    file_types: tuple[FileType, ...] = ("CSV", "Excel", "parquet"),
    has_header: bool = True,
    has_quotes: bool = True,
) -> ParsedFormat:
    """The format whose columns have the given layout.

    Args:
        name: Name in messages and metadata.
        version: Part of the names of cached batch files.
        layout: What the columns mean.
        required: The columns of the layout that must be there, by default all; the others are optional.
        ignored: Known columns that are not read.
        hashed: Optional columns that are read only for the hash of a record, which identifies a review.
        excluded: Columns of another format.
        file_types: The types of files it may come in.
        has_header: Whether the first record names the columns.
        has_quotes: Whether cells of a CSV may be quoted.
    """
    required = required or tuple(layout.columns)
    return ParsedFormat(
        name=name,
        version=version,
        file_types=file_types,
        table=RAW_REVIEWS,
        required_names=required,
        optional_names=(*(column for column in layout.columns if column not in required), *hashed),
        ignored_names=ignored,
        excluded_names=excluded,
        has_header=has_header,
        has_quotes=has_quotes,
        mapping_keys=(
            "currency",
            *(("decimal",) if not {"paid_price", "list_price"}.isdisjoint(layout.columns.values()) else ()),
            *(("time_unit", "date_format") if "reviewed_at" in layout.columns.values() else ()),
        ),
        raw_rows=partial(_raw_rows, layout=layout),
    )


def column_styles(names: Mapping[str, str], export: Export, time_unit: str) -> dict[str, ColumnStyle]:
    """The style of each column of raw_reviews in `names`, which has a style; not decided yet."""
    stated = export.mapping or _NOTHING_STATED
    is_european = export.delimiter == ";" and export.file_type == "CSV"
    makers: dict[str, Callable[[], ColumnStyle]] = {
        "user_id": IdStyle,
        "item_id": IdStyle,
        "review_id": IdStyle,
        "rating": RatingStyle,
        "rating_count": CountStyle,
        "paid_price": lambda: PriceStyle(decimal=stated.decimal, is_european=is_european),
        "list_price": lambda: PriceStyle(decimal=stated.decimal, is_european=is_european),
        "discount_percent": PercentStyle,
        "reviewed_at": lambda: TimeStyle(
            time_unit, now=export.now, unit=stated.time_unit, date_format=stated.date_format
        ),
    }
    return {column: makers[column]() for column in names if column in makers}


def decided_styles(
    export: Export, records: RecordsReadTwice, *, names: Mapping[str, str], time_unit: str
) -> dict[str, ColumnStyle]:
    """The styles after reading all records once. RefusedInput where one is not certain.

    `names` maps columns of raw_reviews to those of the format, for messages.
    """
    styles = column_styles(names, export, time_unit)
    missing: dict[str, None] = {}
    for block in records.first():
        for name in names.values():
            missing |= dict.fromkeys(missing_texts(block.cells[name]))
        for column, style in styles.items():
            style.add(known_texts(block.cells[names[column]]))
    if missing:
        export.assume(f"{', '.join(map(repr, missing))} means a missing value")
    for column, style in styles.items():
        style.decide(names[column], export)
    return styles


def _raw_rows(export: Export, *, layout: TableLayout) -> Iterator[pa.Table]:
    names = {layout.columns[name]: name for name in export.columns if name in layout.columns}
    column_types = {
        name: COLUMN_TYPES.get(layout.columns.get(name, ""), parquet_guard.VALUE) for name in export.columns
    }
    hashed = [name for name in export.columns if name not in layout.columns]
    records = RecordsReadTwice(partial(text_records, export, column_types=column_types))
    styles = decided_styles(export, records, names=names, time_unit=layout.time_unit)
    for block in records.again():
        cells = {raw: known_texts(block.cells[name]) for raw, name in names.items()}
        if export.mapping and export.mapping.currency and "currency" not in cells:
            cells["currency"] = pa.array([export.mapping.currency] * len(block.numbers), pa.string())
        for raw, texts in cells.items():
            check_lengths(texts, pa.array(block.numbers), name=names.get(raw, raw))
        texts = {name: block.cells[name] for name in hashed}
        yield _rows(cells, styles, block, identity=layout.identity, hashed=texts)


def _rows(
    cells: Mapping[str, pa.Array],
    styles: Mapping[str, ColumnStyle],
    block: Records,
    *,
    identity: Identity,
    hashed: Mapping[str, pa.Array],
) -> pa.Table:
    """One row per record in the order of record numbers; damaged records have null values."""
    values = {name: styles[name].rewritten(texts) if name in styles else texts for name, texts in cells.items()}
    values = with_currency(values, block.numbers)
    if "review_id" not in values:
        values["review_id"] = _review_ids({**cells, **hashed}, values, identity)
    values["user_hash"] = user_hashes(values["user_id"])

    numbers, damaged = block.numbers, block.damaged
    order = np.argsort(np.concatenate((numbers, damaged)), kind="stable")
    indices = pa.array(order, mask=order >= len(numbers))
    faults = pa.concat_arrays([pa.nulls(len(numbers), pa.string()), block.read_errors])
    return pa.table(
        {
            "row_number": np.concatenate((numbers, damaged))[order],
            "read_error": faults.take(pa.array(order)),
            **{name: texts.take(indices) for name, texts in values.items()},
        }
    )


def with_currency(values: Mapping[str, pa.Array], numbers: Numbers) -> dict[str, pa.Array]:
    """The values with `currency`: the stated one, else that of a price. RefusedInput where they differ."""
    some = next(iter(values.values()))
    stated = values.get("currency", pa.nulls(len(some), pa.string()))
    stated = pa.array([text and currency_code(text) for text in stated.to_pylist()], pa.string())
    unknown = pc.indices_nonzero(pc.invert(pc.match_substring_regex(stated, _CURRENCY)))
    if len(unknown):
        at = unknown[0].as_py()
        raise RefusedInput(
            f"record {numbers[at]:,}: currency {stated[at].as_py()[:20]!r} is not an ISO 4217 code; "
            "write USD, EUR, INR..."
        )
    result = dict(values)
    for name in ("paid_price", "list_price"):
        if name not in values:
            continue
        codes = pc.struct_field(pc.extract_regex(values[name], _CODE_BEFORE_AMOUNT), "code")
        symbol = pc.coalesce(currencies_of(values[name]), codes)
        result[name] = pc.replace_substring_regex(values[name], _CODE_BEFORE_AMOUNT, "")
        differing = pc.indices_nonzero(pc.not_equal(symbol, stated))
        if len(differing):
            at = differing[0].as_py()
            raise RefusedInput(
                f"record {numbers[at]:,}: {name} is in {symbol[at]} but the currency is {stated[at]}; "
                "correct one of them."
            )
        stated = pc.coalesce(stated, symbol)
    return {**result, "currency": stated}


def _review_ids(cells: Mapping[str, pa.Array], values: Mapping[str, pa.Array], identity: Identity) -> pa.Array:
    """Ids made of item and time, which identify a review of a user; without a time, a hash of the record."""
    times = values.get("reviewed_at", pa.nulls(len(cells["item_id"]), pa.string()))
    if identity == "record":
        times = pa.nulls(len(times), pa.string())
    ids = pc.binary_join_element_wise(pc.coalesce(values["item_id"], ""), times, "@")
    if ids.null_count == 0:
        return ids
    order = [*COLUMN_ORDER, *sorted(set(cells) - set(COLUMN_ORDER))]
    untimed = pa.record_batch({name: cells[name] for name in order if name in cells}).filter(pc.is_null(ids))
    hashes = [
        hashlib.md5(json.dumps(record).encode(), usedforsecurity=False).hexdigest() for record in untimed.to_pylist()
    ]
    return pc.replace_with_mask(ids, pc.is_null(ids), pa.array(hashes, pa.string()))


COLUMN_ORDER = (
    "user_id",
    "item_id",
    "rating",
    "paid_price",
    "currency",
    "review_id",
    "list_price",
    "discount_percent",
    "rating_count",
    "category",
    "reviewed_at",
)
"""The columns that a hash of a record is made of, in this order."""
