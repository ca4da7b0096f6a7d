"""From raw reviews and items to cleaned and rejected ones, every row accounted for."""

from amzseg_pipeline.steps.reviews.cleaning import checked_reviews, rejected_reviews
from amzseg_pipeline.steps.reviews.deduplication import (
    cleaned_reviews,
    no_copies,
    reviews_once,
    settled_copies,
    valid_reviews,
)
from amzseg_pipeline.steps.reviews.items import checked_items, items, rejected_items, with_item_prices
from amzseg_pipeline.steps.reviews.reconciliation import Accounts, accounts, item_accounts
from amzseg_pipeline.steps.reviews.row_count_range import RowBand

__all__ = [
    "Accounts",
    "RowBand",
    "accounts",
    "checked_items",
    "checked_reviews",
    "cleaned_reviews",
    "item_accounts",
    "items",
    "no_copies",
    "rejected_items",
    "rejected_reviews",
    "reviews_once",
    "settled_copies",
    "valid_reviews",
    "with_item_prices",
]
