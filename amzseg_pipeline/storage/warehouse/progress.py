"""How far long work is, told in lines a person reads: what is done, how fast it goes, how long it will take.

No work here, and no opinion on where lines go.
"""

import time
from collections.abc import Callable

Log = Callable[[str], None]
"""Where lines go."""

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts what is done of `total` rows and tells it, at most every ten seconds: short work tells nothing."""

    def __init__(self, doing: str, *, total: int, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._doing = doing
        self._total = total
        self._tell = log
        self._clock = clock
        self._start = self._told = clock()
        self._done = self._kept = 0

    def add(self, rows: int, *, kept: bool = False) -> None:
        """Counts `rows` as done; `kept` ones took no time and say nothing of the rate."""
        self._done += rows
        self._kept += rows if kept else 0
        now = self._clock()
        if now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            self._tell(self._line(now - self._start))

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._kept) / seconds
        left = f", {_duration((self._total - self._done) / rate)} left" if rate else ""
        share = self._done / max(self._total, 1)
        return f"{self._doing}: {self._done:,} of {self._total:,} rows ({share:.0%}), {rate:,.0f} a second{left}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"
