"""Validates, deduplicates and counts reviews and items: raw tables in, cleaned and rejected tables out."""

from amzseg_pipeline.steps.reviews.cleaning import RULE_NAMES, rejected_reviews, unreadable_examples, validated_reviews
from amzseg_pipeline.steps.reviews.deduplication import (
    cleaned_reviews,
    deduplicated,
    no_deduplicated_reviews,
    split_by_keys_of,
    unique_reviews,
    valid_reviews,
    with_keys_of,
    without_duplicates,
)
from amzseg_pipeline.steps.reviews.items import items, rejected_items, validated_items, with_item_prices
from amzseg_pipeline.steps.reviews.reconciliation import (
    RowReconciliation,
    item_reconciliation,
    rejected_examples,
    row_reconciliation,
)
from amzseg_pipeline.steps.reviews.row_count_range import RowCountRange

__all__ = [
    "RULE_NAMES",
    "RowCountRange",
    "RowReconciliation",
    "cleaned_reviews",
    "deduplicated",
    "item_reconciliation",
    "items",
    "no_deduplicated_reviews",
    "rejected_examples",
    "rejected_items",
    "rejected_reviews",
    "row_reconciliation",
    "split_by_keys_of",
    "unique_reviews",
    "unreadable_examples",
    "valid_reviews",
    "validated_items",
    "validated_reviews",
    "with_item_prices",
    "with_keys_of",
    "without_duplicates",
]
