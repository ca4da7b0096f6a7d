"""The reviews stage: what raw, cleaned and rejected reviews promise."""

from enum import StrEnum

from amzseg_pipeline.contracts.schema import Column, Table

CURRENCY_BY_SYMBOL = {"₹": "INR", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}


class Rejection(StrEnum):
    """Why a row cannot become a cleaned review. A row has one reason: the first that holds, in this order."""

    DAMAGED_RECORD = "the record could not be read: its fields are not those of the export"
    UNEQUAL_LISTS = "the lists of users and reviews differ in length, so reviews cannot be told apart"
    MISSING_USER = "the user id is empty"
    MISSING_REVIEW = "the review id is empty"
    MISSING_ITEM = "the item id is empty"


READER_FAULTS = (Rejection.DAMAGED_RECORD, Rejection.UNEQUAL_LISTS)
"""The reasons that a reader finds; the others are found by cleaning."""


class PriceFault(StrEnum):
    """Why an item has no price although its source states one."""

    UNREADABLE = "the price is no amount of money"
    ZERO = "a price of 0 means that it is not known"


_SOURCE = (
    Column("source_file", "string", "path of the export below landing/"),
    Column("batch", "string", "first 16 hexadecimal digits of the sha256 of the export's bytes"),
    Column("row_number", "int64", "number of the record, without the header; in JSON Lines, of the line", minimum=1),
)
_READER_FAULT = Column("reader_fault", "string", "why the record could not be read", nullable=True)
_REASON = Column("reason", "string", "why the row was rejected (a Rejection)")

_RAW_TEXT = (
    Column("user_id", "string", "reviewer's id as the source gives it", nullable=True),
    Column("user_hash", "int64", "first 32 bits of md5(user_id); places and samples users", nullable=True),
    Column("item_id", "string", "product id as the source gives it", nullable=True),
    Column("review_id", "string", "review's id: the source's, or made of what tells its reviews apart", nullable=True),
    Column("rating", "string", "rating as text", nullable=True),
    Column("rating_count", "string", "number of ratings as text", nullable=True),
    Column("paid_price", "string", "price paid as text", nullable=True),
    Column("list_price", "string", "list price as text", nullable=True),
    Column("discount_percent", "string", "stated discount as text", nullable=True),
    Column("currency", "string", "ISO 4217 code of the prices", nullable=True),
    Column("category", "string", "categories from general to special, joined by |", nullable=True),
    Column("reviewed_at", "string", "milliseconds since 1970 UTC as text", nullable=True),
)

RAW_REVIEWS = Table(
    "raw_reviews",
    "One row per record and reviewer, values still text; a record that cannot be read is one row with a reader fault.",
    (*_SOURCE, _READER_FAULT, *_RAW_TEXT),
)
"""As parts hold it. Where an export is scanned in place, rating and reviewed_at may be numbers."""

CLEANED_REVIEWS = Table(
    "cleaned_reviews",
    "One row per review: typed, valid, duplicates taken out.",
    (
        Column("user_id", "string", "reviewer"),
        Column("user_hash", "int64", "first 32 bits of md5(user_id)", minimum=0, maximum=2**32 - 1),
        Column("item_id", "string", "product reviewed"),
        Column("review_id", "string", "review"),
        Column("rating_tenths", "int64", "rating", unit="tenths of a star", nullable=True, minimum=10, maximum=50),
        Column("rating_count", "int64", "ratings the product has", unit="ratings", nullable=True, minimum=0),
        Column("paid_minor", "int64", "price paid", unit="hundredths of the currency", nullable=True, minimum=0),
        Column("list_minor", "int64", "list price", unit="hundredths of the currency", nullable=True, minimum=0),
        Column(
            "discount_bp",
            "int64",
            "discount: (list price - price paid) / list price, or the stated percentage where a price lacks",
            unit="basis points",
            nullable=True,
            minimum=0,
            maximum=10_000,
        ),
        Column("currency", "string", "ISO 4217 code of the prices", nullable=True),
        Column("category", "string", "categories from general to special, joined by |", nullable=True),
        Column("reviewed_at_ms", "int64", "time of the review", unit="milliseconds since 1970 UTC", nullable=True),
        Column(
            "unreadable",
            "string",
            "columns of raw_reviews whose text could not be read and became null, joined by commas",
            nullable=True,
        ),
        Column("duplicate_rows", "int64", "rows of raw_reviews that are this review", unit="rows", minimum=1),
    ),
    key=("user_id", "review_id"),
)

REJECTED_REVIEWS = Table(
    "rejected_reviews",
    "The rows of raw_reviews that cannot become a cleaned review, each with one reason.",
    (*_SOURCE, _REASON, *_RAW_TEXT),
)

_RAW_ITEM_TEXT = (
    Column("item_id", "string", "product id as the source gives it", nullable=True),
    Column("price", "string", "price as text", nullable=True),
    Column("currency", "string", "ISO 4217 code of the price", nullable=True),
    Column("category", "string", "categories from general to special, joined by |", nullable=True),
)

RAW_ITEMS = Table(
    "raw_items",
    "One row per record of item metadata, values still text; a record that cannot be read has a reader fault.",
    (*_SOURCE, _READER_FAULT, *_RAW_ITEM_TEXT),
)

ITEMS = Table(
    "items",
    "One row per item of the metadata beside the reviews: what it costs and where it belongs.",
    (
        Column("item_id", "string", "product"),
        Column("price_minor", "int64", "price", unit="hundredths of the currency", nullable=True, minimum=1),
        Column("currency", "string", "ISO 4217 code of the price; null without one", nullable=True),
        Column("category", "string", "categories from general to special, joined by |", nullable=True),
        Column("price_fault", "string", "why a stated price is not one (a PriceFault)", nullable=True),
        Column("duplicate_rows", "int64", "records that are of this item", unit="records", minimum=1),
    ),
    key=("item_id",),
)

REJECTED_ITEMS = Table(
    "rejected_items",
    "The records of item metadata that cannot become an item, each with one reason.",
    (*_SOURCE, _REASON, *_RAW_ITEM_TEXT),
)
