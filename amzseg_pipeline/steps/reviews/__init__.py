"""From raw reviews and items to cleaned and rejected ones, every row accounted for."""

from amzseg_pipeline.steps.reviews.cleaning import checked_reviews, rejected_reviews
from amzseg_pipeline.steps.reviews.deduplication import (
    cleaned_reviews,
    deduplicated,
    reviews_once,
    valid_reviews,
    without_deduplication,
)
from amzseg_pipeline.steps.reviews.items import checked_items, items, rejected_items, with_item_prices
from amzseg_pipeline.steps.reviews.reconciliation import RowReconciliation, item_reconciliation, row_reconciliation
from amzseg_pipeline.steps.reviews.row_count_range import RowCountRange

__all__ = [
    "RowCountRange",
    "RowReconciliation",
    "checked_items",
    "checked_reviews",
    "cleaned_reviews",
    "deduplicated",
    "item_reconciliation",
    "items",
    "rejected_items",
    "rejected_reviews",
    "reviews_once",
    "row_reconciliation",
    "valid_reviews",
    "with_item_prices",
    "without_deduplication",
]
