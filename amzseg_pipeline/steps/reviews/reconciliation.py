"""Where every raw row went, counted from the tables themselves."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw

from amzseg_pipeline.steps.reviews.cleaning import VALUE_RULES


@dataclass(frozen=True)
class RowReconciliation:
    """Rows in and out. `copies` are the raw rows that the cleaned reviews stand for, themselves among them."""

    raw: int
    cleaned: int
    duplicate_rows: int
    rejected: dict[str, int]
    unreadable: dict[str, int]

    @property
    def duplicates(self) -> int:
        """The raw rows that are copies of a review that stayed."""
        return self.duplicate_rows - self.cleaned

    @property
    def reconciles(self) -> bool:
        """Whether no raw row was lost and none came from nowhere."""
        return self.raw == self.duplicate_rows + sum(self.rejected.values())

    @property
    def sentence(self) -> str:
        """The equation in words."""
        parts = f"{self.cleaned:,} cleaned + {self.duplicates:,} duplicates + {sum(self.rejected.values()):,} rejected"
        return f"{self.raw:,} raw rows {'=' if self.reconciles else 'are not'} {parts}"

    @property
    def lost_shares(self) -> dict[str, float]:
        """Rejected rows as a share of raw rows, and per column the unreadable texts as a share of cleaned reviews."""
        shares = {"rejected": sum(self.rejected.values()) / max(self.raw, 1)}
        return shares | {f"unreadable {column}": n / max(self.cleaned, 1) for column, n in self.unreadable.items()}


def row_reconciliation(*, raw_rows: int, cleaned: nw.LazyFrame, rejected: nw.LazyFrame) -> RowReconciliation:
    """The Accounts of the tables cleaned_reviews and rejected_reviews that were made from `raw_rows` raw rows."""
    counts = cleaned.select(
        cleaned=nw.len(),
        duplicate_rows=nw.col("duplicate_rows").sum(),
        **{source: _flag(nw.col("unreadable").str.contains(f"(?:^|,){source}(?:,|$)")).sum() for source in VALUE_RULES},
    )
    kept = {name: int(count or 0) for name, count in _rows(counts)[0].items()}
    return RowReconciliation(
        raw=raw_rows,
        cleaned=kept.pop("cleaned"),
        duplicate_rows=kept.pop("duplicate_rows"),
        rejected=_counts(rejected, "reason"),
        unreadable={source: count for source, count in kept.items() if count},
    )


def item_reconciliation(*, raw_rows: int, items: nw.LazyFrame, rejected: nw.LazyFrame) -> RowReconciliation:
    """The Accounts of the tables items and rejected_items; `unreadable` counts items by their PriceFault."""
    kept = _rows(items.select(items=nw.len(), duplicate_rows=nw.col("duplicate_rows").sum()))[0]
    return RowReconciliation(
        raw=raw_rows,
        cleaned=int(kept["items"]),
        duplicate_rows=int(kept["duplicate_rows"] or 0),
        rejected=_counts(rejected, "reason"),
        unreadable=_counts(items.filter(~nw.col("price_fault").is_null()), "price_fault"),
    )


def _counts(frame: nw.LazyFrame, column: str) -> dict[str, int]:
    rows = _rows(frame.group_by(column).agg(rows=nw.len()).sort(column))
    return {row[column]: int(row["rows"]) for row in rows}


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition.fill_null(False)).then(1).otherwise(0)


def _rows(frame: nw.LazyFrame) -> list[dict[str, Any]]:
    return list(frame.collect("pyarrow").iter_rows(named=True))
