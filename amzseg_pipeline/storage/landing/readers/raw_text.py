"""The texts of raw rows, the same for every reader: trimmed, of bounded length, with the currency of a price."""

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL

MAX_TEXT_BYTES = 4096
"""The longest text of a raw row; without a limit one record could fill the disk."""

MAX_PRICE_CHARACTERS = 64
"""Item prices are cut to this length: some sources hold pages of markup there."""


def trimmed(column: pa.Array) -> pa.Array:
    """The texts without surrounding white space; null where nothing remains."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


MISSING_TEXTS = ("NA", "N/A", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "\\N")
"""What R, spreadsheets, pandas, databases and Python write for a missing value."""

_MISSING = pa.array(MISSING_TEXTS)


def known_texts(column: pa.Array) -> pa.Array:
    """The trimmed texts; null for those that mean a missing value, which are no ids either."""
    texts = trimmed(column)
    is_missing = pc.is_in(texts, value_set=_MISSING)
    return pc.if_else(is_missing, None, texts) if pc.any(is_missing).as_py() else texts


def missing_texts(column: pa.Array) -> list[str]:
    """The texts of a column that mean a missing value."""
    found: list[str] = pc.unique(column.filter(pc.is_in(trimmed(column), value_set=_MISSING))).to_pylist()
    return found


def check_lengths(texts: pa.Array, record_numbers: pa.Array, *, name: str) -> None:
    """RefusedInput naming the first record whose text is longer than MAX_TEXT_BYTES."""
    too_long = pc.indices_nonzero(pc.greater(pc.binary_length(texts), MAX_TEXT_BYTES))
    if len(too_long):
        record = record_numbers[too_long[0].as_py()].as_py()
        raise RefusedInput(f"record {record:,}: {name} is longer than {MAX_TEXT_BYTES:,} bytes; shorten it.")


def currencies_of(prices: pa.Array) -> pa.Array:
    """The currency whose symbol a price starts with; null without a symbol."""
    starts = [pc.starts_with(prices, symbol) for symbol in CURRENCY_BY_SYMBOL]
    return pc.case_when(pc.make_struct(*starts), *CURRENCY_BY_SYMBOL.values())
