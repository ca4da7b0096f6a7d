"""What the items of Amazon Reviews 2018 and 2023 have in common: prices in US dollars, and words for nothing.

No file is read here.
"""

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.storage.landing.readers.raw_text import currencies_of

CURRENCY = "USD"

_NO_PRICE = pa.array(["", "None"])
"""What stands for no price in 2018, and in the parquet files that 2023's were turned into."""


def completed_items(rows: pa.Table) -> pa.Table:
    """The rows with `currency`, dollars unless the price bears another symbol, and with nulls for words for nothing."""
    price = rows["price"].combine_chunks()
    price = pc.if_else(pc.is_in(price, value_set=_NO_PRICE), None, price)
    currency = pc.if_else(pc.is_valid(price), pc.coalesce(currencies_of(price), CURRENCY), None)
    category = rows["category"].combine_chunks()
    columns = {name: rows[name] for name in rows.column_names}
    return pa.table(
        {
            **columns,
            "price": price,
            "currency": currency,
            "category": pc.if_else(pc.equal(category, ""), None, category),
        }
    )
