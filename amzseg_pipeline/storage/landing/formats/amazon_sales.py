"""The Amazon Sales Dataset: a CSV with one product listing a record, and its reviewers as comma-joined lists.

No values are parsed here and nothing is dropped: a record that cannot be read becomes a row with a reader fault.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS, RejectionReason
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.readers.csv_records import CsvRecords, Numbers, csv_records
from amzseg_pipeline.storage.landing.readers.raw_text import check_lengths, currencies_of, trimmed
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
"""Column of the export -> column of raw_reviews; the lists of users and reviews come beside them."""

NEEDED_COLUMNS = ("user_id", "review_id", *VALUE_COLUMNS)
UNREAD_COLUMNS = (
    "product_name",
    "about_product",
    "user_name",
    "review_title",
    "review_content",
    "img_link",
    "product_link",
)
"""Names, titles and texts stop here. Their lists hold commas of their own, so nothing is aligned by them either."""

_SLICE_ROWS = 8192
_FAULTS = pa.array([RejectionReason.DAMAGED_RECORD.value, RejectionReason.UNEQUAL_LISTS.value])
_DAMAGED, _UNEQUAL = 0, 1


def _raw_rows(path: Path, _settings: Settings) -> Iterator[pa.Table]:
    """The rows of the export, a record after the other. RefusedInput where the file is not a whole CSV."""
    for records in csv_records(path, NEEDED_COLUMNS):
        yield from _exploded(records)


SALES_CSV = ParsedFormat(
    name="Amazon Sales Dataset CSV",
    version="sales1",
    medium="CSV",
    holds=RAW_REVIEWS,
    needed=NEEDED_COLUMNS,
    known=(*NEEDED_COLUMNS, *UNREAD_COLUMNS),
    raw_rows=_raw_rows,
)


def _exploded(records: CsvRecords) -> Iterator[pa.Table]:
    """One row per record and reviewer, and one per faulty record, in the order of the records."""
    cells, numbers = records.cells, records.numbers
    users = pc.split_pattern(cells["user_id"], ",")
    reviews = pc.split_pattern(cells["review_id"], ",")
    reviewers = pc.list_value_length(users).to_numpy()
    is_unequal = reviewers != pc.list_value_length(reviews).to_numpy()
    readable = np.flatnonzero(~is_unequal)
    unequal = np.flatnonzero(is_unequal)

    parents = np.repeat(readable, reviewers[readable])
    faults = np.repeat([_UNEQUAL, _DAMAGED], [len(unequal), len(records.damaged)])
    row_numbers = np.concatenate((numbers[parents], numbers[unequal], records.damaged))
    order = np.argsort(row_numbers, kind="stable")
    # Where each row takes its text, its ids and its fault from; -1 is nowhere, and null.
    record = np.append(parents, np.full(len(faults), -1))
    reviewer = np.append(np.arange(len(parents)), np.full(len(faults), -1))
    fault = np.append(np.full(len(parents), -1), faults)

    values = _values(cells, numbers)
    user_ids = trimmed(pc.list_flatten(users.take(pa.array(readable))))
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
                "read_error": _taken(_FAULTS, fault[rows]),
                **{name: _taken(column, reviewer[rows]) for name, column in ids.items()},
                **{name: _taken(column, record[rows]) for name, column in values.items()},
            }
        )


def _values(cells: pa.RecordBatch, numbers: Numbers) -> dict[str, pa.Array]:
    values = {ours: trimmed(cells[theirs]) for theirs, ours in VALUE_COLUMNS.items()}
    for theirs, ours in VALUE_COLUMNS.items():
        check_lengths(values[ours], pa.array(numbers), name=theirs)
    paid, listed = currencies_of(values["paid_price"]), currencies_of(values["list_price"])
    mixed = pc.indices_nonzero(pc.not_equal(paid, listed))
    if len(mixed):
        at = mixed[0].as_py()
        raise RefusedInput(
            f"record {numbers[at]:,}: the price paid is in {paid[at]} and the list price in {listed[at]}; "
            "deliver one currency."
        )
    return {**values, "currency": pc.coalesce(paid, listed)}


def _taken(column: pa.Array, indices: NDArray[np.int64]) -> pa.Array:
    return column.take(pa.array(indices, mask=indices < 0))
