"""Times: seconds to nanoseconds since 1970, ISO 8601, RFC dates, and dates with slashes.

The unit of numbers and the order of day and month are decided per column: a unit by plausibility (1995 to one year
after the run), an order by a value that only one of them can explain.

Over 250 lines: every notation of a time.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.column import MIN_UNREADABLE, Examples, mapped, quoted, refuse

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
"""Name -> units per second."""

_FIRST_SECOND = 788_918_400  # 1995-01-01 UTC
_YEAR_SECONDS = 366 * 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NUMBER = r"^-?[0-9]{1,19}(\.[0-9]{1,9})?$"
_EXPONENT = r"^-?[0-9](\.[0-9]+)?[eE]\+?[0-9]{1,2}$"
_ISO_8601 = re.compile(
    r"[0-9]{4}([/-])[0-9]{2}\1[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_SLASHES = re.compile(
    r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4})"
    r"(?:,? ([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?: ?([AaPp])\.?[Mm]\.?)?)?"
)
_RFC = re.compile(r"(?:[A-Z][a-z]{2}, )?[0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}(?::[0-9]{2})? .{1,8}")

_DATE_FIX = "write dates as YYYY-MM-DD, or state date_format in a columns.toml file"
_UNIT_FIX = "write all times of a file in one unit, or state time_unit in a columns.toml file"


def plausible_unit(values: Sequence[float], *, now: float) -> str | None:
    """The one unit in which some of `values` are between 1995 and a year after `now`; None where none fits.

    RefusedInput where values fit different units.
    """
    numbers = np.array([value for value in values if isinstance(value, int | float)], dtype=np.float64)
    counts = {unit: int(np.count_nonzero(is_plausible(numbers, unit, now=now))) for unit in UNITS}
    fitting = [unit for unit, count in counts.items() if count]
    if len(fitting) > 1:
        examples = (numbers[is_plausible(numbers, unit, now=now)][0] for unit in fitting)
        raise mixed_units(f"{' and in '.join(fitting)}, such as {quoted(f'{value:.0f}' for value in examples)}")
    return fitting[0] if fitting else None


def mixed_units(units: str, *, name: str = "timestamp") -> RefusedInput:
    """The refusal of a column of times in several units."""
    return refuse(name, f"times are in {units}", _UNIT_FIX)


def implausible(examples: object, *, name: str) -> RefusedInput:
    """The refusal of a column whose numbers fit no unit."""
    problem = (
        f"no number is a time between 1995 and a year from now in seconds, milliseconds, microseconds or nanoseconds "
        f"since 1970, such as {examples}"
    )
    return refuse(
        name, problem, "write times as YYYY-MM-DD or as seconds since 1970 (a spreadsheet: format them as dates)"
    )


def refuse_lost_digits(text: str, *, name: str) -> None:
    """RefusedInput where the text is a number in scientific notation that has fewer digits than it had."""
    if re.match(_EXPONENT, text) and _exact_integer(text) is None:
        raise _lost_digits(repr(text), name=name)


def _lost_digits(examples: object, *, name: str) -> RefusedInput:
    return refuse(
        name,
        f"times in scientific notation lost digits, such as {examples}",
        "format the column as text or as whole numbers in the spreadsheet, and export again",
    )


class TimeStyle:
    """A column of times; rewritten as milliseconds since 1970 UTC.

    `documented_unit` is the unit the format has by its documentation, which needs no assumption. `date_format` is one
    of strptime, stated by the user.
    """

    def __init__(self, documented_unit: str, *, now: float, unit: str = "", date_format: str = "") -> None:
        self._documented_unit = documented_unit
        self._now = now
        self._unit = unit
        self._date_format = date_format
        self._by_unit = {name: Examples() for name in UNITS}
        self._numbers = Examples()
        self._lost_digits = Examples()
        self._day_first = Examples()
        self._month_first = Examples()
        self._slashes = Examples()
        self._is_day_first = self._has_stated = False
        self._count = 0
        self._unknown = Examples()

    def add(self, texts: pa.Array) -> None:
        texts = texts.drop_null()
        self._count += len(texts)
        if self._date_format:
            self._unknown.add(texts)
            self._has_stated = self._has_stated or any(map(self._stated, pc.unique(texts).to_pylist()))
            return
        is_number = pc.match_substring_regex(texts, _NUMBER)
        numbers = texts.filter(is_number)
        self._numbers.add(numbers)
        values = numbers.cast(pa.float64()).to_numpy(zero_copy_only=False)
        for unit, examples in self._by_unit.items():
            if (fits := is_plausible(values, unit, now=self._now)).any():
                examples.add(numbers.filter(pa.array(fits)))
        others = pc.unique(texts.filter(pc.invert(is_number)))
        for text in others.to_pylist():
            one = pa.array([text])
            if re.match(_EXPONENT, text):
                self._add_exponent(text)
            elif match := _SLASHES.fullmatch(text):
                self._slashes.add(one)
                if int(match[1]) > 12:
                    self._day_first.add(one)
                if int(match[3]) > 12:
                    self._month_first.add(one)
            elif not _ISO_8601.fullmatch(text) and not _RFC.fullmatch(text):
                self._unknown.add(texts.filter(pc.equal(texts, text)))

    def _add_exponent(self, text: str) -> None:
        one = pa.array([text])
        if _exact_integer(text) is None:
            self._lost_digits.add(one)
            return
        self._numbers.add(one)
        for unit, examples in self._by_unit.items():
            if is_plausible(np.array([float(text)]), unit, now=self._now).any():
                examples.add(one)

    def decide(self, name: str, export: Export) -> None:
        if self._date_format:
            if self._count and not self._has_stated:
                problem = f"no value has the form {self._date_format!r}, such as {self._unknown}"
                raise refuse(name, problem, "correct date_format in the columns.toml file")
            return
        if self._lost_digits.count:
            raise _lost_digits(self._lost_digits, name=name)
        if self._unknown.count == self._count >= MIN_UNREADABLE:
            raise refuse(name, f"no value is a time in a known form, such as {self._unknown}", _DATE_FIX)
        units = [unit for unit, examples in self._by_unit.items() if examples.count]
        if self._unit:
            pass
        elif len(units) > 1:
            raise mixed_units(" and in ".join(f"{unit} (such as {self._by_unit[unit]})" for unit in units), name=name)
        elif units:
            self._unit = units[0]
            if self._unit != self._documented_unit:
                export.assume(f"{name} is in {self._unit} since 1970")
        elif self._numbers.count and not self._slashes.count:
            raise implausible(self._numbers, name=name)
        self._decide_order(name, export)

    def _decide_order(self, name: str, export: Export) -> None:
        if not self._slashes.count:
            return
        if self._day_first.count and self._month_first.count:
            raise refuse(
                name,
                f"dates have the day first ({self._day_first}) and the month first ({self._month_first})",
                _DATE_FIX,
            )
        if not self._day_first.count and not self._month_first.count:
            raise refuse(name, f"day and month cannot be told apart in any date, such as {self._slashes}", _DATE_FIX)
        self._is_day_first = bool(self._day_first.count)
        order = "DD/MM/YYYY" if self._is_day_first else "MM/DD/YYYY"
        proof = self._day_first if self._is_day_first else self._month_first
        export.assume(f"{name} is {order} (proved by {proof})")

    def rewritten(self, texts: pa.Array) -> pa.Array:
        if self._unit == "milliseconds" or not self._unit:
            is_plain = pc.match_substring_regex(texts, "^-?[0-9]{1,18}$")
            if pc.all(pc.fill_null(is_plain, True)).as_py():
                return texts
        return mapped(texts, self._milliseconds)

    def _milliseconds(self, text: str) -> str:
        if self._date_format:
            return self._stated(text) or text
        if re.match(_NUMBER, text) or re.match(_EXPONENT, text):
            return self._scaled(text)
        try:
            if _ISO_8601.fullmatch(text):
                text = text.replace("/", "-").replace("UTC", "Z")
                return _milliseconds_of(datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", text)))
            if match := _SLASHES.fullmatch(text):
                return _milliseconds_of(self._date(match))
            if _RFC.fullmatch(text):
                return _milliseconds_of(parsedate_to_datetime(text))
        except (ValueError, TypeError):
            pass
        return text

    def _stated(self, text: str) -> str | None:
        try:
            return _milliseconds_of(datetime.strptime(text, self._date_format))
        except ValueError:
            return None

    def _scaled(self, text: str) -> str:
        per_second = UNITS[self._unit or self._documented_unit]
        whole, _, fraction = (_exact_integer(text) or text).partition(".")
        if per_second == 1:
            return str(int(whole) * 1000 + int(f"{fraction}000"[:3] or 0))
        return str(int(whole) // (per_second // 1000))

    def _date(self, match: re.Match[str]) -> datetime:
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        day, month = (first, second) if self._is_day_first else (second, first)
        hour = int(match[5] or 0)
        if match[8]:
            hour = hour % 12 + (12 if match[8] in "pP" else 0)
        return datetime(year, month, day, hour, int(match[6] or 0), int(match[7] or 0), tzinfo=UTC)


def is_plausible(values: NDArray[np.float64], unit: str, *, now: float) -> NDArray[np.bool_]:
    """Which of `values` are between 1995 and a year after `now` in this unit since 1970."""
    seconds = values / UNITS[unit]
    return (seconds >= _FIRST_SECOND) & (seconds <= now + _YEAR_SECONDS)


def _exact_integer(text: str) -> str | None:
    """The digits of a number in scientific notation, None where it has fewer than it had."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return None
    whole, _, fraction = mantissa.partition(".")
    missing = int(exponent) - len(fraction)
    return None if missing > 0 else f"{whole}{fraction[: int(exponent)]}"


def _milliseconds_of(time: datetime) -> str:
    since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return str((since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)
