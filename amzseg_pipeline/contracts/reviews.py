"""Tables of the reviews stage: raw, cleaned and rejected reviews and items."""

from enum import StrEnum
from typing import Literal

from amzseg_pipeline.contracts.schema import Column, Table

RatingMeaning = Literal["user", "product"]
"""Whose rating a format has: the rating that the user gave, or the mean rating of the product they reviewed."""

CURRENCY_BY_SYMBOL = {"₹": "INR", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}


class RejectionReason(StrEnum):
    """Why a row is rejected: the first reason that holds, in this order."""

    DAMAGED_RECORD = "unreadable record: its fields do not match the format"
    UNEQUAL_LISTS = "the lists of users and reviews differ in length, so values cannot be assigned to reviews"
    MISSING_USER = "the user id is empty"
    MISSING_REVIEW = "the review id is empty"
    MISSING_ITEM = "the item id is empty"


DETAILS_SEPARATOR = "; "
"""Separates a reason in `read_error` from its details. No reason contains it."""

READ_ERRORS = (RejectionReason.DAMAGED_RECORD, RejectionReason.UNEQUAL_LISTS)
"""The reasons found by readers; validation finds the others."""


class PriceIssue(StrEnum):
    """Why a stated item price is ignored."""

    UNREADABLE = "the price is not an amount of money"
    ZERO = "a price of 0 means unknown"


_SOURCE = (
    Column("source_file", "string", "path of the export, relative to landing/"),
    Column("batch", "string", "first 16 hexadecimal digits of the sha256 of the export's bytes"),
    Column("row_number", "int64", "number of the record, header not counted; of the line in JSON Lines", minimum=1),
)
_READ_ERROR = Column("read_error", "string", "why the record could not be read: a reason and details", nullable=True)
_REASON = (
    Column("reason", "string", "why the row was rejected (a RejectionReason)"),
    Column("details", "string", "the column, its rule and the value that breaks it, where known", nullable=True),
)

_RAW_TEXT = (
    Column("user_id", "string", "reviewer's id as the source gives it", nullable=True),
    Column("user_hash", "int64", "first 32 bits of md5(user_id); used for partitioning and sampling", nullable=True),
    Column("item_id", "string", "product id as the source gives it", nullable=True),
    Column(
        "review_id",
        "string",
        "review's id: the source's, or built from the fields that identify a review",
        nullable=True,
    ),
    Column("rating", "string", "rating as text", nullable=True),
    Column("rating_count", "string", "number of ratings as text", nullable=True),
    Column("paid_price", "string", "price paid as text", nullable=True),
    Column("list_price", "string", "list price as text", nullable=True),
    Column("discount_percent", "string", "stated discount as text", nullable=True),
    Column("currency", "string", "ISO 4217 code of the prices", nullable=True),
    Column("category", "string", "categories from general to specific, joined by |", nullable=True),
    Column("reviewed_at", "string", "milliseconds since 1970 UTC as text", nullable=True),
)

RAW_REVIEWS = Table(
    "raw_reviews",
    "One row per record and reviewer, values as text; an unreadable record is one row with a read_error.",
    (*_SOURCE, _READ_ERROR, *_RAW_TEXT),
)
"""The schema of stored parts. In exports read in place, rating and reviewed_at may be numeric."""

CLEANED_REVIEWS = Table(
    "cleaned_reviews",
    "One row per review: typed, valid, deduplicated.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        Column("item_id", "string", "reviewed product"),
        Column("review_id", "string", "id of the review"),
        Column("rating_tenths", "int64", "rating", unit="tenths of a star", nullable=True, minimum=10, maximum=50),
        Column("rating_count", "int64", "number of ratings of the product", unit="ratings", nullable=True, minimum=0),
        Column("paid_minor", "int64", "price paid", unit="hundredths of the currency", nullable=True, minimum=0),
        Column("list_minor", "int64", "list price", unit="hundredths of the currency", nullable=True, minimum=0),
        Column(
            "discount_bp",
            "int64",
            "discount: (list price - price paid) / list price, or the stated percentage where a price is missing",
            unit="basis points",
            nullable=True,
            minimum=0,
            maximum=10_000,
        ),
        Column("currency", "string", "ISO 4217 code of the prices", nullable=True),
        Column("category", "string", "categories from general to specific, joined by |", nullable=True),
        Column("reviewed_at_ms", "int64", "time of the review", unit="milliseconds since 1970 UTC", nullable=True),
        Column(
            "unreadable",
            "string",
            "columns of raw_reviews whose text could not be parsed and became null, joined by commas",
            nullable=True,
        ),
        Column("duplicate_count", "int64", "further rows of raw_reviews with this key", unit="rows", minimum=0),
    ),
    key=("user_id", "review_id"),
)

REJECTED_REVIEWS = Table(
    "rejected_reviews",
    "The rows of raw_reviews that were rejected, each with one reason.",
    (*_SOURCE, *_REASON, *_RAW_TEXT),
)

_RAW_ITEM_TEXT = (
    Column("item_id", "string", "product id as the source gives it", nullable=True),
    Column("price", "string", "price as text", nullable=True),
    Column("currency", "string", "ISO 4217 code of the price", nullable=True),
    Column("category", "string", "categories from general to specific, joined by |", nullable=True),
)

RAW_ITEMS = Table(
    "raw_items",
    "One row per record of item metadata, values as text; an unreadable record has a read_error.",
    (*_SOURCE, _READ_ERROR, *_RAW_ITEM_TEXT),
)

ITEMS = Table(
    "items",
    "One row per item of the item metadata: price and category.",
    (
        Column("item_id", "string", "product"),
        Column("price_minor", "int64", "price", unit="hundredths of the currency", nullable=True, minimum=1),
        Column("currency", "string", "ISO 4217 code of the price; null without a price", nullable=True),
        Column("category", "string", "categories from general to specific, joined by |", nullable=True),
        Column("price_issue", "string", "why a stated price is ignored (a PriceIssue)", nullable=True),
        Column("duplicate_count", "int64", "further records of this item", unit="records", minimum=0),
    ),
    key=("item_id",),
)

REJECTED_ITEMS = Table(
    "rejected_items",
    "The records of item metadata that were rejected, each with one reason.",
    (*_SOURCE, *_REASON, *_RAW_ITEM_TEXT),
)
