"""Whether there are about as many reviews as in the last snapshot: accidents in the landing zone show here."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RowCountRange:
    """Cleaned reviews beside those of the last snapshot (`last`, None for none), and the shares of them that pass."""

    cleaned: int
    last: int | None
    min_share: float
    max_share: float

    @property
    def kept(self) -> bool:
        """Whether the count is within the band, its ends included; without a last snapshot any count is."""
        return self.last is None or self.min_share * self.last <= self.cleaned <= self.max_share * self.last

    @property
    def sentence(self) -> str:
        """The comparison in words, with what to do where the band is not kept."""
        if self.last is None:
            return f"{self.cleaned:,} cleaned reviews, and no snapshot of real exports to compare with"
        told = (
            f"{self.cleaned:,} cleaned reviews after {self.last:,} in the last snapshot; "
            f"{math.ceil(self.min_share * self.last):,} to {math.floor(self.max_share * self.last):,} pass"
        )
        if self.kept:
            return told
        setting = "min_rows_share" if self.cleaned < self.last else "max_rows_share"
        return f"{told}. See what changed in the landing zone; if it is meant, run once by hand with another {setting}"

    @property
    def counts(self) -> dict[str, int | float]:
        """The numbers behind the sentence."""
        if not self.last:
            return {"cleaned": self.cleaned}
        return {"cleaned": self.cleaned, "last": self.last, "share of the last": self.cleaned / self.last}
