"""Tables with any column names, read by a mapping file, and a template of such a file for an unknown format."""

import re
from collections.abc import Sequence
from dataclasses import replace

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats.tabular import COLUMN_ORDER, TableLayout, tabular_format
from amzseg_pipeline.storage.landing.scan.export import Export

MAPPED_TABLE = tabular_format(
    name="mapped columns",
    version="mapped3",
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
    """The export with the columns of its mapping. RefusedInput where a column is not in the file, or not certain."""
    assert export.mapping is not None
    if export.file_type not in MAPPED_TABLE.file_types:
        raise RefusedInput(
            f"it is {export.file_type} of no known format, and a columns.toml file works only for CSV, Excel and "
            "Parquet; write it as one of them."
        )
    names = export.mapping.names
    mapped = list(names.values())
    if missing := [column for column in mapped if column not in export.names[0]]:
        raise RefusedInput(
            f"the mapping file names columns that are not there: {_listed(missing)}; "
            f"use those of the file: {_listed(export.names[0])}."
        )
    if repeated := [column for column in mapped if export.names[0].count(column) > 1]:
        raise RefusedInput(f"the file has several columns {_listed(repeated)}; rename all but one of each.")
    if twice := [column for column in dict.fromkeys(mapped) if mapped.count(column) > 1]:
        raise RefusedInput(f"the mapping file uses {_listed(twice)} twice; name each column of the file once.")
    return replace(export, columns=names)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:20])


def mapping_template(names: Sequence[str]) -> str:
    """A mapping file for a table with these columns, with those whose names say what they are, and ? for the others."""
    guesses: dict[str, str] = {}
    names = [name for name in names if _NAME.fullmatch(name)]
    for canonical, words in _WORDS.items():
        free = [name for name in names if name not in guesses.values()]
        found = next((name for word in words for name in free if word in name.lower().replace(" ", "")), None)
        if found:
            guesses[canonical] = found
    required = {name: guesses.get(name, "?") for name in MAPPED_TABLE.required_names}
    return "\n".join(["[columns]", *(f'{name} = "{column}"' for name, column in (required | guesses).items())])
