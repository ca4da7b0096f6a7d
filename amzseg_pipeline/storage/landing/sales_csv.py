"""The Amazon Sales Dataset: a CSV with one product listing a record, and its reviewers as comma-joined lists.

No values are parsed here and nothing is dropped: a record that cannot be read becomes a row with a reader fault.
"""

import csv
import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL, Rejection
from amzseg_pipeline.storage.landing.csv_guard import MAX_RECORD_BYTES, csv_record_count
from amzseg_pipeline.storage.landing.formats import ExportFormat
from amzseg_pipeline.storage.landing.guard import reading

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

MAX_CELL_BYTES = 4096
"""Longest value that is copied to each reviewer of its record; without a limit one record could fill the disk."""

_SLICE_ROWS = 8192
_FAULTS = pa.array([Rejection.DAMAGED_RECORD.value, Rejection.UNEQUAL_LISTS.value])
_DAMAGED, _UNEQUAL = 0, 1
_Numbers = NDArray[np.int64]


def _mismatch(head: bytes) -> str:
    """What is wrong with the header, "" if nothing; columns may stand in any order."""
    line = head.splitlines()[0] if head.splitlines() else b""
    header = next(csv.reader([line.decode("utf-8", "replace")]), [])
    missing = [name for name in NEEDED_COLUMNS if name not in header]
    known = {*NEEDED_COLUMNS, *UNREAD_COLUMNS}
    unknown = [name for name in dict.fromkeys(header) if name not in known]
    repeated = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    problems = {"missing columns": missing, "unknown columns": unknown, "repeated columns": repeated}
    return "; ".join(
        f"{problem}: {', '.join(_shortened(name) for name in names[:20])}"
        for problem, names in problems.items()
        if names
    )


def _raw_rows(path: Path) -> Iterator[pa.Table]:
    """The rows of the export, a record after the other. RefusedInput where the file is not a whole CSV."""
    with reading(), path.open("rb") as stream:
        records = csv_record_count(stream) - 1
    if records == 0:
        raise RefusedInput("the file has a header and no record; deliver it whole, or take it away.")

    first = 1
    for cells, numbers, damaged in _numbered_records(path):
        first += len(numbers) + len(damaged)
        if len(numbers) or len(damaged):
            yield from _exploded(cells, numbers, damaged)
    if first - 1 != records:
        raise RefusedInput(
            f"the parser finds {first - 1:,} records where quotes and line ends make {records:,}; "
            "write every cell that holds commas, quotes or line ends in quotes, and double the quotes inside."
        )


SALES_CSV = ExportFormat("Amazon Sales Dataset CSV", "sales1", _mismatch, _raw_rows)


def _numbered_records(path: Path) -> Iterator[tuple[pa.RecordBatch, _Numbers, _Numbers]]:
    """Blocks of records: their cells, their numbers, and the numbers of the damaged records among and after them."""
    skipped: SimpleQueue[int] = SimpleQueue()  # the parser may read ahead in a thread of its own

    def skip(row: pa.csv.InvalidRow) -> str:
        skipped.put(row.number - 1)  # the parser counts the header
        return "skip"

    options = {
        # Without threads, because only then the parser knows the number of a damaged record.
        "read_options": pa.csv.ReadOptions(block_size=MAX_RECORD_BYTES, use_threads=False),
        "parse_options": pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
        "convert_options": pa.csv.ConvertOptions(
            include_columns=list(NEEDED_COLUMNS),
            column_types=dict.fromkeys(NEEDED_COLUMNS, pa.string()),
            strings_can_be_null=False,
        ),
    }
    no_cells = pa.RecordBatch.from_pylist([], schema=pa.schema([(name, pa.string()) for name in NEEDED_COLUMNS]))
    first = 1
    damaged = np.empty(0, dtype=np.int64)
    try:
        # An open file, because the parser unpacks a path by its ending.
        with pa.OSFile(str(path)) as file, pa.csv.open_csv(file, **options) as blocks:
            for cells in chain(blocks, [no_cells]):
                damaged = np.append(damaged, [skipped.get() for _ in range(skipped.qsize())]).astype(np.int64)
                free = np.setdiff1d(np.arange(first, first + len(cells) + len(damaged) + 1), damaged)
                numbers, first = free[: len(cells)], free[len(cells)]
                yield cells, numbers, damaged[damaged < first]
                damaged = damaged[damaged >= first]
    except (pa.ArrowException, OSError) as error:
        raise RefusedInput(f"the parser cannot read it ({error}); export it again.") from error


def _exploded(cells: pa.RecordBatch, numbers: _Numbers, damaged: _Numbers) -> Iterator[pa.Table]:
    """One row per record and reviewer, and one per faulty record, in the order of the records."""
    users = pc.split_pattern(cells["user_id"], ",")
    reviews = pc.split_pattern(cells["review_id"], ",")
    reviewers = pc.list_value_length(users).to_numpy()
    is_unequal = reviewers != pc.list_value_length(reviews).to_numpy()
    is_header = np.logical_and.reduce([pc.equal(cells[name], name).to_numpy(False) for name in NEEDED_COLUMNS])
    readable = np.flatnonzero(~is_unequal & ~is_header)
    unequal = np.flatnonzero(is_unequal & ~is_header)
    damaged = np.concatenate((damaged, numbers[is_header]))

    parents = np.repeat(readable, reviewers[readable])
    faults = np.repeat([_UNEQUAL, _DAMAGED], [len(unequal), len(damaged)])
    row_numbers = np.concatenate((numbers[parents], numbers[unequal], damaged))
    order = np.argsort(row_numbers, kind="stable")
    # Where each row takes its text, its ids and its fault from; -1 is nowhere, and null.
    record = np.append(parents, np.full(len(faults), -1))
    reviewer = np.append(np.arange(len(parents)), np.full(len(faults), -1))
    fault = np.append(np.full(len(parents), -1), faults)

    values = _values(cells, numbers)
    user_ids = _text(pc.list_flatten(users.take(pa.array(readable))))
    ids = {
        "user_id": user_ids,
        "user_hash": _user_hashes(user_ids),
        "review_id": _text(pc.list_flatten(reviews.take(pa.array(readable)))),
    }
    for start in range(0, len(order), _SLICE_ROWS):
        rows = order[start : start + _SLICE_ROWS]
        yield pa.table(
            {
                "row_number": row_numbers[rows],
                "reader_fault": _taken(_FAULTS, fault[rows]),
                **{name: _taken(column, reviewer[rows]) for name, column in ids.items()},
                **{name: _taken(column, record[rows]) for name, column in values.items()},
            }
        )


def _values(cells: pa.RecordBatch, numbers: _Numbers) -> dict[str, pa.Array]:
    values = {ours: _text(cells[theirs]) for theirs, ours in VALUE_COLUMNS.items()}
    for theirs, ours in VALUE_COLUMNS.items():
        too_long = pc.indices_nonzero(pc.greater(pc.binary_length(values[ours]), MAX_CELL_BYTES))
        if len(too_long):
            raise RefusedInput(
                f"record {numbers[too_long[0].as_py()]:,}: {theirs} is longer than {MAX_CELL_BYTES:,} bytes; mend it."
            )
    paid, listed = _currencies(values["paid_price"]), _currencies(values["list_price"])
    mixed = pc.indices_nonzero(pc.not_equal(paid, listed))
    if len(mixed):
        at = mixed[0].as_py()
        raise RefusedInput(
            f"record {numbers[at]:,}: the price paid is in {paid[at]} and the list price in {listed[at]}; "
            "deliver one currency."
        )
    return {**values, "currency": pc.coalesce(paid, listed)}


def _currencies(prices: pa.Array) -> pa.Array:
    """The currency whose symbol a price starts with; null where there is none."""
    starts = [pc.starts_with(prices, symbol) for symbol in CURRENCY_BY_SYMBOL]
    return pc.case_when(pc.make_struct(*starts), *CURRENCY_BY_SYMBOL.values())


def _text(column: pa.Array) -> pa.Array:
    """The texts without the space around them; null where nothing is left."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def _user_hashes(user_ids: pa.Array) -> pa.Array:
    """The first 32 bits of md5 of each id, computed once for each id there is."""
    unique = user_ids.dictionary_encode()
    hashes = [
        int.from_bytes(hashlib.md5(user_id.encode(), usedforsecurity=False).digest()[:4], "big")
        for user_id in unique.dictionary.to_pylist()
    ]
    return pa.array(hashes, pa.int64()).take(unique.indices)


def _taken(column: pa.Array, indices: NDArray[np.int64]) -> pa.Array:
    return column.take(pa.array(indices, mask=indices < 0))


def _shortened(name: str) -> str:
    """A name as it may stand in a message."""
    return repr(name if len(name) <= 40 else f"{name[:40]}…")
