"""Tables with any column names, read by a mapping file, and a template of such a file for an unknown format."""

import re
from collections.abc import Sequence
from dataclasses import replace

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.tabular import COLUMN_ORDER, TableLayout, tabular_format
from amzseg_pipeline.storage.landing.scan.export import Export

MAPPED_TABLE = tabular_format(
    name="mapped columns",
    version="mapped2",
    layout=TableLayout(columns={name: name for name in COLUMN_ORDER}),
    required=("user_id", "item_id", "rating"),
)

_WORDS = {
    "user_id": ("user", "customer", "reviewer", "buyer", "client", "author"),
    "item_id": ("item", "product", "asin", "sku", "article"),
    "rating": ("rating", "stars", "score", "overall"),
    "paid_price": ("paid", "price", "amount", "cost"),
    "list_price": ("list", "msrp", "rrp", "original"),
    "currency": ("currency",),
    "review_id": ("reviewid", "review_id"),
    "discount_percent": ("discount",),
    "category": ("category", "department"),
    "reviewed_at": ("reviewed", "date", "time"),
}
"""Canonical column -> parts of names that people use for it, most telling first."""

_NAME = re.compile(r"[A-Za-z][\w./()-]{0,29}(?: [\w./()-]{1,20}){0,2}")
"""A column name of up to three words: a first line that is not a header may contain a person's review."""


def mapped_export(export: Export) -> Export:
    """The export with the columns of its mapping. RefusedInput where one is not in the file."""
    assert export.mapping is not None
    if export.file_type not in MAPPED_TABLE.file_types:
        raise RefusedInput(f"it is {export.file_type}, and a columns.toml file works for CSV, Excel and Parquet only.")
    names = export.mapping.names
    missing = [column for column in names.values() if column not in export.names[0]]
    if missing:
        raise RefusedInput(
            f"the mapping file names columns that are not there: {', '.join(map(repr, missing))}; correct it."
        )
    return replace(export, columns=names)


def mapping_template(names: Sequence[str]) -> str:
    """A mapping file for a table with these columns, filled in where a name says what the column is."""
    guesses: dict[str, str] = {}
    names = [name for name in names if _NAME.fullmatch(name)]
    for canonical, words in _WORDS.items():
        free = [name for name in names if name not in guesses.values()]
        found = next((name for word in words for name in free if word in name.lower().replace(" ", "")), None)
        if found:
            guesses[canonical] = found
    required = ("user_id", "item_id", "rating", "paid_price", "reviewed_at")
    lines = [f'{name} = "{guesses.get(name, "?")}"' for name in required]
    lines += [f'{name} = "{guess}"' for name, guess in guesses.items() if name not in required]
    return "\n".join(["[columns]", *lines])
