"""Progress of long work as log lines: rows done, rate and remaining time."""

import time
from collections.abc import Callable

Log = Callable[[str], None]
"""Takes one line of text."""

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Counts rows of `total` and logs at most every ten seconds, so short work logs nothing."""

    def __init__(self, activity: str, *, total: int, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self._activity = activity
        self._total = total
        self._log = log
        self._clock = clock
        self._start = self._last_line = clock()
        self._done = self._reused = 0

    def add(self, rows: int, *, reused: bool = False) -> None:
        """Counts `rows` as done; reused ones took no time and do not enter the rate."""
        self._done += rows
        self._reused += rows if reused else 0
        now = self._clock()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._log(self._line(now - self._start))

    def _line(self, seconds: float) -> str:
        rate = (self._done - self._reused) / seconds
        remaining = f", {_duration((self._total - self._done) / rate)} left" if rate else ""
        share = self._done / max(self._total, 1)
        done = f"{self._done:,} of {self._total:,} rows ({share:.0%})"
        return f"{self._activity}: {done}, {rate:,.0f} per second{remaining}"


def _duration(seconds: float) -> str:
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60} min"
