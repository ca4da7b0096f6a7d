"""Comparison of the number of cleaned reviews with the previous snapshot, which shows accidents in the landing zone."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RowCountRange:
    """Cleaned reviews of this run and of the previous snapshot (None without one), and the accepted shares."""

    cleaned: int
    previous: int | None
    min_share: float
    max_share: float

    @property
    def contains_count(self) -> bool:
        """Whether the count is in the range, ends included; always true without a previous snapshot."""
        return self.previous is None or self.min_share * self.previous <= self.cleaned <= self.max_share * self.previous

    @property
    def summary(self) -> str:
        """The comparison as text, with the fix where the count is out of range."""
        if self.previous is None:
            return f"{self.cleaned:,} cleaned reviews; there is no snapshot of real exports to compare with"
        comparison = (
            f"{self.cleaned:,} cleaned reviews, {self.previous:,} in the previous snapshot; accepted range "
            f"{math.ceil(self.min_share * self.previous):,} to {math.floor(self.max_share * self.previous):,}"
        )
        if self.contains_count:
            return comparison
        setting = "min_rows_share" if self.cleaned < self.previous else "max_rows_share"
        return (
            f"{comparison}. Check what changed in landing/; if the change is intended, run once with another {setting}"
        )

    @property
    def metadata(self) -> dict[str, int | float]:
        """The counts of the comparison by name."""
        if not self.previous:
            return {"cleaned": self.cleaned}
        return {"cleaned": self.cleaned, "previous": self.previous, "share of previous": self.cleaned / self.previous}
