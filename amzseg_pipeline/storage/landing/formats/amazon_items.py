"""Item metadata of Amazon Reviews 2018 and 2023: prices in US dollars, and texts that mean a missing value."""

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.storage.landing.readers.raw_text import currencies_of

CURRENCY = "USD"

_MISSING_PRICES = pa.array(["", "None"])
"""What 2018 writes for a missing price, and what converters of 2023 to Parquet write."""


def with_currency(rows: pa.Table) -> pa.Table:
    """The rows with `currency` (US dollars unless the price has another symbol), and nulls for missing values."""
    price = rows["price"].combine_chunks()
    price = pc.if_else(pc.is_in(price, value_set=_MISSING_PRICES), None, price)
    currency = pc.if_else(pc.is_valid(price), pc.coalesce(currencies_of(price), CURRENCY), None)
    category = rows["category"].combine_chunks()
    return pa.table(
        {
            **{name: rows[name] for name in rows.column_names},
            "price": price,
            "currency": currency,
            "category": pc.if_else(pc.equal(category, ""), None, category),
        }
    )
