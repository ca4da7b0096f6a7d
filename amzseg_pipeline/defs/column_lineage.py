"""Column lineage: the columns that each column of a table is computed from, from raw_reviews to segment_assignments.

Dagster shows it on the pages of assets, and tools can read it from the metadata `dagster/column_lineage`.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from amzseg_pipeline.contracts.tables import TABLES

_Columns = Mapping[str, Sequence[str]]
"""Column -> its sources, each `table.column`. A column that is not listed is copied from the first parent table."""

_PARENT = {
    "rejected_reviews": "raw_reviews",
    "cleaned_reviews": "raw_reviews",
    "user_features": "cleaned_reviews",
    "scaled_features": "user_features",
    "segment_assignments": "user_features",
}

_CLUSTERED = ("total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score")
_SCALED = tuple(f"scaled_features.{name}" for name in _CLUSTERED)
_FEATURES = tuple(f"user_features.{name}" for name in _CLUSTERED)
_ASSIGNED = (*_FEATURES, *_SCALED)


def _of(table: str, *columns: str) -> tuple[str, ...]:
    return tuple(f"{table}.{column}" for column in columns)


_SOURCES: Mapping[str, _Columns] = {
    "rejected_reviews": {
        "reason": _of("raw_reviews", "read_error", "user_id", "item_id", "review_id"),
        "details": _of("raw_reviews", "read_error"),
    },
    "cleaned_reviews": {
        "rating_tenths": _of("raw_reviews", "rating"),
        "paid_minor": (*_of("raw_reviews", "paid_price"), "items.price_minor"),
        "list_minor": _of("raw_reviews", "list_price"),
        "discount_bp": _of("raw_reviews", "discount_percent", "paid_price", "list_price"),
        "currency": (*_of("raw_reviews", "currency"), "items.currency"),
        "category": (*_of("raw_reviews", "category"), "items.category"),
        "reviewed_at_ms": _of("raw_reviews", "reviewed_at"),
        "unreadable": _of(
            "raw_reviews", "rating", "rating_count", "paid_price", "list_price", "discount_percent", "reviewed_at"
        ),
        "duplicate_count": _of("raw_reviews", "user_id", "item_id", "review_id"),
    },
    "user_features": {
        "total_reviews": _of("cleaned_reviews", "user_id"),
        "avg_rating": _of("cleaned_reviews", "rating_tenths"),
        "avg_discount": _of("cleaned_reviews", "discount_bp"),
        "avg_spend": _of("cleaned_reviews", "paid_minor"),
        "engagement_score": _of("cleaned_reviews", "user_id", "rating_tenths"),
        "recent_engagement": _of("cleaned_reviews", "rating_tenths", "reviewed_at_ms"),
        "rated_reviews": _of("cleaned_reviews", "rating_tenths"),
        "discounted_reviews": _of("cleaned_reviews", "discount_bp"),
        "priced_reviews": _of("cleaned_reviews", "paid_minor"),
        "rating_tenths_sum": _of("cleaned_reviews", "rating_tenths"),
        "rating_square_sum": _of("cleaned_reviews", "rating_tenths"),
        "discount_bp_sum": _of("cleaned_reviews", "discount_bp"),
        "discount_square_sum": _of("cleaned_reviews", "discount_bp"),
        "paid_minor_sum": _of("cleaned_reviews", "paid_minor"),
        "log_paid_sum": _of("cleaned_reviews", "paid_minor"),
        "log_paid_square_sum": _of("cleaned_reviews", "paid_minor"),
        **dict.fromkeys(
            (
                *("recency_days", "tenure_days", "active_months", "lifecycle_stage", "future_reviews"),
                *("first_reviewed_at_ms", "last_reviewed_at_ms", "as_of"),
            ),
            _of("cleaned_reviews", "reviewed_at_ms"),
        ),
    },
    "scaled_features": {"stratum": _of("user_features", "total_reviews")},
    "segment_assignments": {
        **dict.fromkeys(
            (
                *("segment_id", "segment_name", "distance", "second_segment_id", "margin", "is_outlier"),
                *(f"driver_{n}{suffix}" for n in (1, 2, 3) for suffix in ("", "_contribution")),
            ),
            _ASSIGNED,
        ),
        "model_version": _SCALED,
        "rfm_group": _of("user_features", "recency_days", "total_reviews"),
        "total_spend": _of("user_features", "paid_minor_sum", "avg_spend"),
        "typical_price": _of("user_features", "log_paid_sum", "priced_reviews", "avg_spend"),
        "is_low_evidence": _of("user_features", "total_reviews"),
        # From the previous snapshot, by user.
        **dict.fromkeys(("previous_segment_id", "previous_segment_name"), _of("user_features", "user_id")),
        **dict.fromkeys(("segment_since", "change_cause"), (*_of("user_features", "user_id", "as_of"), *_ASSIGNED)),
    },
}

LINEAGE_TABLES = frozenset(_SOURCES)
"""The tables that have column lineage."""


def column_lineage(table: str) -> dg.TableColumnLineage:
    """The sources of every column of the table."""
    parent, sources = _PARENT[table], _SOURCES[table]
    return dg.TableColumnLineage(
        {
            column: [_dependency(source) for source in sources.get(column, (f"{parent}.{column}",))]
            for column in TABLES[table].column_names
        }
    )


def _dependency(source: str) -> dg.TableColumnDep:
    table, _, column = source.partition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(table), column_name=column)
