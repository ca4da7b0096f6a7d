"""The canonical form for reviews of any source: a CSV or Parquet file with one review per record.

Columns have the names of raw_reviews. docs/exports.md describes them; docs/template_canonical.csv is a template.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS, RejectionReason
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.guards import parquet as parquet_guard
from amzseg_pipeline.storage.landing.readers.csv_records import Numbers, csv_records
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.landing.readers.raw_text import check_lengths, currencies_of, trimmed
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.parquet.user_hash import user_hashes

REQUIRED_COLUMNS = ("user_id", "item_id", "rating", "paid_price", "currency")
OPTIONAL_COLUMNS = ("review_id", "list_price", "discount_percent", "rating_count", "category", "reviewed_at")
COLUMNS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)

_COLUMN_TYPES = {
    **dict.fromkeys(COLUMNS, parquet_guard.VALUE),
    **dict.fromkeys(("user_id", "item_id", "review_id"), parquet_guard.ID),
    **dict.fromkeys(("currency", "category"), parquet_guard.VALUE),
    "reviewed_at": parquet_guard.TIME,
}
_CURRENCY = "^[A-Z]{3}$"
_ISO_8601 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_NO_DAMAGED_RECORDS = np.empty(0, dtype=np.int64)


def _csv_rows(export: Export) -> Iterator[pa.Table]:
    [names] = export.names
    for records in csv_records(export.path, names):
        yield _rows(_cells(records.cells), records.numbers, records.damaged)


def _parquet_rows(export: Export) -> Iterator[pa.Table]:
    for batch in parquet_texts(export, column_types=_COLUMN_TYPES):
        yield _rows(_cells(batch.drop_columns("row_number")), batch["row_number"].to_numpy(), _NO_DAMAGED_RECORDS)


def _cells(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return {name: trimmed(batch[name]) for name in batch.schema.names}


def _rows(cells: Mapping[str, pa.Array], numbers: Numbers, damaged: Numbers) -> pa.Table:
    """One row per record in the order of record numbers; damaged records have null values."""
    for name, texts in cells.items():
        check_lengths(texts, pa.array(numbers), name=name)
    values = {**cells, "currency": _currencies(cells, numbers)}
    if "reviewed_at" in cells:
        values["reviewed_at"] = _mapped(cells["reviewed_at"], _milliseconds)
    values["review_id"] = cells["review_id"] if "review_id" in cells else _review_ids(cells, values)
    values["user_hash"] = user_hashes(cells["user_id"])

    order = np.argsort(np.concatenate((numbers, damaged)), kind="stable")
    indices = pa.array(order, mask=order >= len(numbers))
    fault = pa.array([RejectionReason.DAMAGED_RECORD.value])
    return pa.table(
        {
            "row_number": np.concatenate((numbers, damaged))[order],
            "read_error": fault.take(pa.array(np.zeros(len(order), np.int64), mask=order < len(numbers))),
            **{name: texts.take(indices) for name, texts in values.items()},
        }
    )


def _currencies(cells: Mapping[str, pa.Array], numbers: Numbers) -> pa.Array:
    """The stated currency, else that of a price's symbol. RefusedInput where they differ or it is not a code."""
    stated = cells["currency"]
    unknown = pc.indices_nonzero(pc.invert(pc.match_substring_regex(stated, _CURRENCY)))
    if len(unknown):
        at = unknown[0].as_py()
        raise RefusedInput(
            f"record {numbers[at]:,}: currency {stated[at].as_py()[:20]!r} is not an ISO 4217 code; "
            "write USD, EUR, INR..."
        )
    for name in ("paid_price", "list_price"):
        symbol = currencies_of(cells[name]) if name in cells else pa.nulls(len(stated), pa.string())
        differing = pc.indices_nonzero(pc.not_equal(symbol, stated))
        if len(differing):
            at = differing[0].as_py()
            raise RefusedInput(
                f"record {numbers[at]:,}: {name} is in {symbol[at]} but the currency is {stated[at]}; "
                "correct one of them."
            )
        stated = pc.coalesce(stated, symbol)
    return stated


def _review_ids(cells: Mapping[str, pa.Array], values: Mapping[str, pa.Array]) -> pa.Array:
    """Ids made of item and time, which identify a review of a user; without a time, a hash of the record."""
    times = values.get("reviewed_at", pa.nulls(len(cells["item_id"]), pa.string()))
    ids = pc.binary_join_element_wise(pc.coalesce(cells["item_id"], ""), times, "@")
    if ids.null_count == 0:
        return ids
    untimed = pa.record_batch({name: cells[name] for name in COLUMNS if name in cells}).filter(pc.is_null(ids))
    hashes = [
        hashlib.md5(json.dumps(record).encode(), usedforsecurity=False).hexdigest() for record in untimed.to_pylist()
    ]
    return pc.replace_with_mask(ids, pc.is_null(ids), pa.array(hashes, pa.string()))


def _milliseconds(text: str) -> str:
    """The milliseconds since 1970 UTC of an ISO 8601 time (UTC without an offset); any other text unchanged."""
    if not _ISO_8601.fullmatch(text):
        return text
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return str((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)


def _mapped(column: pa.Array, function: Callable[[str], str]) -> pa.Array:
    unique = column.dictionary_encode()
    return pa.array(map(function, unique.dictionary.to_pylist()), pa.string()).take(unique.indices)


CANONICAL_CSV = ParsedFormat(
    name="canonical CSV",
    version="canonical1",
    file_type="CSV",
    table=RAW_REVIEWS,
    required_names=REQUIRED_COLUMNS,
    allowed_names=COLUMNS,
    raw_rows=_csv_rows,
)
CANONICAL_PARQUET = ParsedFormat(
    name="canonical parquet",
    version="canonicalparquet1",
    file_type="parquet",
    table=RAW_REVIEWS,
    required_names=REQUIRED_COLUMNS,
    allowed_names=COLUMNS,
    raw_rows=_parquet_rows,
)
