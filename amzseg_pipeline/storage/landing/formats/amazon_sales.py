"""The Amazon Sales Dataset: a CSV with one product listing per record, and its reviewers as comma-joined lists.

No record is dropped: one that cannot be read becomes a row with a reader fault.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amzseg_pipeline.contracts.reviews import DETAILS_SEPARATOR, RAW_REVIEWS, RejectionReason
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.formats.tabular import decided_styles, with_currency
from amzseg_pipeline.storage.landing.guards import parquet as parquet_guard
from amzseg_pipeline.storage.landing.readers.csv_records import Numbers, Records
from amzseg_pipeline.storage.landing.readers.raw_text import check_lengths, known_texts, trimmed
from amzseg_pipeline.storage.landing.readers.records import RecordsReadTwice, text_records
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.column import ColumnStyle
from amzseg_pipeline.storage.landing.values.ids import check_ids
from amzseg_pipeline.storage.parquet.user_hash import user_hashes

VALUE_COLUMNS = {
    "product_id": "item_id",
    "rating": "rating",
    "rating_count": "rating_count",
    "discounted_price": "paid_price",
    "actual_price": "list_price",
    "discount_percentage": "discount_percent",
    "category": "category",
}
"""Column of the export -> column of raw_reviews, except for the lists of users and reviews."""

OPTIONAL_COLUMNS = ("rating_count", "discount_percentage")
REQUIRED_COLUMNS = ("user_id", "review_id", *(name for name in VALUE_COLUMNS if name not in OPTIONAL_COLUMNS))
IGNORED_COLUMNS = (
    "product_name",
    "about_product",
    "user_name",
    "review_title",
    "review_content",
    "img_link",
    "product_link",
)
"""Names, titles and texts are dropped. Their lists also contain commas, so they cannot align reviewers."""

_SLICE_ROWS = 8192


def _raw_rows(export: Export) -> Iterator[pa.Table]:
    """The rows of the export in the order of its records. RefusedInput where the file is not a complete CSV."""
    column_types = dict.fromkeys(export.columns, parquet_guard.VALUE)
    records = RecordsReadTwice(partial(text_records, export, column_types=column_types))
    names = {raw: name for name, raw in VALUE_COLUMNS.items() if name in export.columns}
    for missing in set(OPTIONAL_COLUMNS) - set(names.values()):
        export.assume(f"there is no column {missing}")
    styles = decided_styles(export, records, names=names, time_unit="milliseconds")
    for block in records.again():
        for rows in _exploded(block, styles, currency=export.mapping.currency if export.mapping else ""):
            check_ids(rows, {"user_id": export.columns["user_id"], "review_id": export.columns["review_id"]})
            yield rows


SALES_CSV = ParsedFormat(
    name="Amazon Sales Dataset CSV",
    version="sales5",
    file_types=("CSV", "Excel", "parquet"),
    table=RAW_REVIEWS,
    rating_meaning="product",
    required_names=REQUIRED_COLUMNS,
    optional_names=OPTIONAL_COLUMNS,
    ignored_names=IGNORED_COLUMNS,
    mapping_keys=("currency", "decimal"),
    raw_rows=_raw_rows,
)


def _exploded(records: Records, styles: Mapping[str, ColumnStyle], *, currency: str) -> Iterator[pa.Table]:
    """One row per record and reviewer, and one per faulty record, in the order of the records."""
    cells, numbers = records.cells, records.numbers
    users = pc.split_pattern(cells["user_id"], ",")
    reviews = pc.split_pattern(cells["review_id"], ",")
    reviewers, review_ids = (pc.list_value_length(lists).to_numpy() for lists in (users, reviews))
    is_unequal = reviewers != review_ids
    readable = np.flatnonzero(~is_unequal)
    unequal = np.flatnonzero(is_unequal)

    parents = np.repeat(readable, reviewers[readable])
    faults = pa.concat_arrays(
        [pa.array([_unequal(reviewers[at], review_ids[at]) for at in unequal], pa.string()), records.read_errors]
    )
    row_numbers = np.concatenate((numbers[parents], numbers[unequal], records.damaged))
    order = np.argsort(row_numbers, kind="stable")
    # For each row, the indices of its values, ids and fault; -1 becomes null.
    record = np.append(parents, np.full(len(faults), -1))
    reviewer = np.append(np.arange(len(parents)), np.full(len(faults), -1))
    fault = np.append(np.full(len(parents), -1), np.arange(len(faults)))

    values = _values(cells, numbers, styles, currency=currency)
    user_ids = known_texts(pc.list_flatten(users.take(pa.array(readable))))
    ids = {
        "user_id": user_ids,
        "user_hash": user_hashes(user_ids),
        "review_id": trimmed(pc.list_flatten(reviews.take(pa.array(readable)))),
    }
    for start in range(0, len(order), _SLICE_ROWS):
        rows = order[start : start + _SLICE_ROWS]
        yield pa.table(
            {
                "row_number": row_numbers[rows],
                "read_error": _taken(faults, fault[rows]),
                **{name: _taken(column, reviewer[rows]) for name, column in ids.items()},
                **{name: _taken(column, record[rows]) for name, column in values.items()},
            }
        )


def _unequal(users: int, reviews: int) -> str:
    return f"{RejectionReason.UNEQUAL_LISTS.value}{DETAILS_SEPARATOR}{users} in user_id, {reviews} in review_id"


def _values(
    cells: pa.RecordBatch, numbers: Numbers, styles: Mapping[str, ColumnStyle], *, currency: str
) -> dict[str, pa.Array]:
    texts = {raw: known_texts(cells[name]) for name, raw in VALUE_COLUMNS.items() if name in cells.schema.names}
    for name, raw in VALUE_COLUMNS.items():
        if raw in texts:
            check_lengths(texts[raw], pa.array(numbers), name=name)
    values = {raw: styles[raw].rewritten(column) if raw in styles else column for raw, column in texts.items()}
    if currency:
        values["currency"] = pa.array([currency] * len(numbers), pa.string())
    return with_currency(values, numbers)


def _taken(column: pa.Array, indices: NDArray[np.int64]) -> pa.Array:
    return column.take(pa.array(indices, mask=indices < 0))
