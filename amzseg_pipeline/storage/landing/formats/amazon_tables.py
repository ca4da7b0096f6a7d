"""Amazon Reviews 2023, 2018 and 2014 as tables: CSV, Excel, and Parquet that cannot be read in place.

The files of ratings only have these columns too: of 2023 with a header, of 2018 and 2014 without one, and on Kaggle
with one of their own.
"""

import re
from dataclasses import replace
from typing import Any

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.formats import amazon_2018, amazon_2023
from amzseg_pipeline.storage.landing.formats.export_format import ParsedFormat
from amzseg_pipeline.storage.landing.formats.tabular import TableLayout, tabular_format
from amzseg_pipeline.storage.landing.scan.export import Export

REVIEWS_2023_TABLE = tabular_format(
    name="Amazon Reviews 2023 table",
    version="reviews2023table-3",
    layout=TableLayout(
        columns={"user_id": "user_id", "parent_asin": "item_id", "rating": "rating", "timestamp": "reviewed_at"}
    ),
    ignored=amazon_2023.IGNORED_REVIEW_NAMES,
    excluded=("paid_price",),
)
_TEXTS = ("reviewText", "summary")
REVIEWS_2018_TABLE = tabular_format(
    name="Amazon Reviews 2018 table",
    version="reviews2018table-3",
    layout=TableLayout(
        columns={
            "reviewerID": "user_id",
            "asin": "item_id",
            "overall": "rating",
            "unixReviewTime": "reviewed_at",
        },
        time_unit="seconds",
        identity="record",
    ),
    hashed=_TEXTS,
    ignored=amazon_2018.IGNORED_REVIEW_NAMES,
)


def _ratings(name: str, version: str, columns: tuple[str, ...], **options: Any) -> ParsedFormat:
    """Ratings only; `columns` are those of user, item, rating and time."""
    names = dict(zip(columns, ("user_id", "item_id", "rating", "reviewed_at"), strict=True))
    layout = TableLayout(columns=names, time_unit="seconds", identity="record")
    return tabular_format(name=name, version=version, layout=layout, **options)


_NAMES = ("user", "item", "rating", "timestamp")
RATINGS_WITHOUT_HEADER = _ratings(
    "Amazon ratings without header", "ratings-3", _NAMES, file_types=("CSV",), has_header=False
)
RATINGS = _ratings("Amazon ratings", "ratingstable-2", _NAMES)
RATINGS_OF_PRODUCTS = _ratings(
    "Amazon ratings of products", "ratingsproducts-2", ("UserId", "ProductId", "Rating", "Timestamp")
)

_ITEM_ID = re.compile(r"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_HEADERS = {True: ("item", "user", "rating", "timestamp"), False: _NAMES}


def has_ratings_without_header(names: tuple[str, ...]) -> bool:
    """Whether a first line is not a header but a user, an item, a rating and a time."""
    return (
        len(names) == 4
        and bool(re.fullmatch(r"[1-5](?:\.0)?", names[2]))
        and bool(re.fullmatch(r"[0-9]{8,13}", names[3]))
        and bool(names[0] and names[1])
    )


def ratings_export(export: Export) -> Export:
    """The export with names for its columns. 2014 has the user first, 2018 the item. RefusedInput where unclear."""
    first, second = (bool(_ITEM_ID.fullmatch(cell)) for cell in export.names[0][:2])
    if first == second:
        raise RefusedInput(
            "the file has no header, and it is not clear which of the first two columns is the user and which the "
            "item; add a first line user,item,rating,timestamp in the order of the columns."
        )
    header = _HEADERS[first]
    export.assume(f"the file has no header; its columns are {', '.join(header)}")
    return replace(export, names=(header,), has_header=False, columns={name: name for name in header})
