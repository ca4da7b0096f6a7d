"""Item metadata of Amazon Reviews 2018 and 2023: prices in US dollars, and texts that mean a missing value."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.storage.landing.readers.raw_text import currencies_of
from amzseg_pipeline.storage.landing.scan.export import Export

CURRENCY = "USD"

_MISSING_PRICES = pa.array(["", "None"])
"""What 2018 writes for a missing price, and what converters of 2023 to Parquet write."""


def with_currency(tables: Iterable[pa.Table], export: Export) -> Iterator[pa.Table]:
    """The rows with `currency` (that of the price's symbol, else the stated one or US dollars), missing values null."""
    currency = (export.mapping.currency if export.mapping else "") or CURRENCY
    return (_with_currency(rows, currency) for rows in tables)


def _with_currency(rows: pa.Table, default: str) -> pa.Table:
    price = rows["price"].combine_chunks()
    price = pc.if_else(pc.is_in(price, value_set=_MISSING_PRICES), None, price)
    currency = pc.if_else(pc.is_valid(price), pc.coalesce(currencies_of(price), default), None)
    category = rows["category"].combine_chunks()
    return pa.table(
        {
            **{name: rows[name] for name in rows.column_names},
            "price": price,
            "currency": currency,
            "category": pc.if_else(pc.equal(category, ""), None, category),
        }
    )
