"""Row reconciliation: raw rows = cleaned + duplicates + rejected, counted from the tables."""

from dataclasses import dataclass
from typing import Any

import narwhals as nw

from amzseg_pipeline.steps.reviews.cleaning import VALUE_RULES


@dataclass(frozen=True)
class RowReconciliation:
    """Row counts; `unreadable` counts cleaned rows by column (for items, by PriceIssue)."""

    raw: int
    cleaned: int
    duplicates: int
    rejected: int
    rejected_by_reason: dict[str, int]
    unreadable: dict[str, int]

    @property
    def reconciles(self) -> bool:
        """Whether raw = cleaned + duplicates + rejected."""
        return self.raw == self.cleaned + self.duplicates + self.rejected

    @property
    def summary(self) -> str:
        """The equation as text."""
        parts = f"{self.cleaned:,} cleaned + {self.duplicates:,} duplicates + {self.rejected:,} rejected"
        return f"{self.raw:,} raw rows {'=' if self.reconciles else 'are not'} {parts}"

    @property
    def loss_rates(self) -> dict[str, float]:
        """Rejected rows as a share of raw rows, and unreadable values per column as a share of cleaned reviews."""
        rates = {"rejected": self.rejected / max(self.raw, 1)}
        return rates | {f"unreadable {column}": n / max(self.cleaned, 1) for column, n in self.unreadable.items()}


def row_reconciliation(*, raw_rows: int, cleaned: nw.LazyFrame, rejected: nw.LazyFrame) -> RowReconciliation:
    """The RowReconciliation of cleaned_reviews and rejected_reviews made from `raw_rows` rows of raw_reviews."""
    counts = cleaned.select(
        cleaned=nw.len(),
        duplicates=nw.col("duplicate_count").sum(),
        **{source: _flag(nw.col("unreadable").str.contains(f"(?:^|,){source}(?:,|$)")).sum() for source in VALUE_RULES},
    )
    count_by_name = {name: int(count or 0) for name, count in _rows(counts)[0].items()}
    by_reason = _counts(rejected, "reason")
    return RowReconciliation(
        raw=raw_rows,
        cleaned=count_by_name.pop("cleaned"),
        duplicates=count_by_name.pop("duplicates"),
        rejected=sum(by_reason.values()),
        rejected_by_reason=by_reason,
        unreadable={source: count for source, count in count_by_name.items() if count},
    )


def item_reconciliation(*, raw_rows: int, items: nw.LazyFrame, rejected: nw.LazyFrame) -> RowReconciliation:
    """The RowReconciliation of items and rejected_items made from `raw_rows` rows of raw_items."""
    counts = _rows(items.select(items=nw.len(), duplicates=nw.col("duplicate_count").sum()))[0]
    by_reason = _counts(rejected, "reason")
    return RowReconciliation(
        raw=raw_rows,
        cleaned=int(counts["items"]),
        duplicates=int(counts["duplicates"] or 0),
        rejected=sum(by_reason.values()),
        rejected_by_reason=by_reason,
        unreadable=_counts(items.filter(~nw.col("price_issue").is_null()), "price_issue"),
    )


def rejected_examples(rejected: nw.LazyFrame, *, count: int = 3) -> list[str]:
    """The most frequent reason, and up to `count` of its details, which name column, rule and value."""
    ranked = sorted(_counts(rejected, "reason").items(), key=lambda entry: -entry[1])
    rows = rejected.filter(nw.col("reason") == ranked[0][0]).select("details").head(1_000) if ranked else None
    details = dict.fromkeys(row["details"] for row in _rows(rows) if row["details"]) if rows is not None else {}
    return [reason for reason, _ in ranked[:1]] + list(details)[:count]


def _counts(frame: nw.LazyFrame, column: str) -> dict[str, int]:
    rows = _rows(frame.group_by(column).agg(rows=nw.len()).sort(column))
    return {row[column]: int(row["rows"]) for row in rows}


def _flag(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition.fill_null(False)).then(1).otherwise(0)


def _rows(frame: nw.LazyFrame) -> list[dict[str, Any]]:
    return list(frame.collect("pyarrow").iter_rows(named=True))
