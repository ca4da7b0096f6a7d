"""The texts of raw rows as every reader makes them: without space around them, of bounded length, with a currency.

No format here, and no values: a text stays a text.
"""

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL

MAX_TEXT_BYTES = 4096
"""The longest text of a raw row; without a limit one record could fill the disk."""

MAX_PRICE_CHARACTERS = 64
"""What is kept of an item's price, where sources hold pages of junk: no amount of money is as long."""


def trimmed(column: pa.Array) -> pa.Array:
    """The texts without the space around them; null where nothing is left."""
    stripped = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(stripped, ""), None, stripped)


def check_lengths(texts: pa.Array, record_numbers: pa.Array, *, name: str) -> None:
    """RefusedInput naming the first record whose text is longer than MAX_TEXT_BYTES."""
    too_long = pc.indices_nonzero(pc.greater(pc.binary_length(texts), MAX_TEXT_BYTES))
    if len(too_long):
        record = record_numbers[too_long[0].as_py()].as_py()
        raise RefusedInput(f"record {record:,}: {name} is longer than {MAX_TEXT_BYTES:,} bytes; mend it.")


def currencies_of(prices: pa.Array) -> pa.Array:
    """The currency whose symbol a price starts with; null where there is none."""
    starts = [pc.starts_with(prices, symbol) for symbol in CURRENCY_BY_SYMBOL]
    return pc.case_when(pc.make_struct(*starts), *CURRENCY_BY_SYMBOL.values())
