"""Parsing of text values: each rule is one anchored pattern and one integer unit.

Text that does not match becomes null. Integers are exact, so sums do not depend on row order or engine. Rounding is
`floor(x + 0.5)` on float64, which gives the same integer on every engine; their `round` functions differ.
"""

import narwhals as nw

from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL

_GROUPED_DIGITS = "(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}|[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3})"
_SYMBOLS = "".join(CURRENCY_BY_SYMBOL)

MONEY = rf"^(?:[{_SYMBOLS}] ?)?{_GROUPED_DIGITS}(?:\.[0-9]{{1,2}})?$"
"""Western (1,234,567) and Indian (12,34,567) grouping, at most two decimals, no sign; `-5` and `free` do not match."""

PERCENT = r"^(?:100(?:\.00?)?|[0-9]{1,2}(?:\.[0-9]{1,2})?) ?%?$"
STARS = r"^(?:[1-4](?:\.[0-9]0*)?|5(?:\.0+)?)$"
COUNT = rf"^{_GROUPED_DIGITS}$"
MILLISECONDS = r"^(?:7(?:89|9[0-9])[0-9]{9}|[89][0-9]{11}|[1-3][0-9]{12}|40[0-9]{11})$"
EARLIEST_MS, END_MS = 789_000_000_000, 4_100_000_000_000
"""MILLISECONDS matches EARLIEST_MS (1 January 1995) up to END_MS (2 December 2099). Other times are wrong, most often
seconds read as milliseconds, or 0 for unknown."""

UNREADABLE_MARK = "unreadable "
"""Begins a text in raw_reviews whose original would be read as another value."""

_FLOAT32_ERROR = 1e-4
"""Tolerance for ratings stored as float32, which differ from their tenth by at most 3e-6."""


def money_minor(text: nw.Expr) -> nw.Expr:
    """The amount in hundredths of its currency, below 10^14."""
    return _scaled(text, MONEY, 100)


def percent_bp(text: nw.Expr) -> nw.Expr:
    """The percentage in basis points, 0 to 10,000."""
    return _scaled(text, PERCENT, 100)


def stars_tenths(text: nw.Expr) -> nw.Expr:
    """The rating in tenths of a star, 10 to 50."""
    return _scaled(text, STARS, 10)


def count(text: nw.Expr) -> nw.Expr:
    """The count, below 10^12."""
    return _scaled(text, COUNT, 1)


def milliseconds(text: nw.Expr) -> nw.Expr:
    """The time in milliseconds since 1970 UTC, from 1995 to 2099."""
    return _scaled(text, MILLISECONDS, 1)


def stars_tenths_of_number(number: nw.Expr) -> nw.Expr:
    """The rating in tenths of a star of a numeric column; equals `stars_tenths` of its text."""
    tenths = number.cast(nw.Float64()) * 10
    rounded = (tenths + 0.5).floor()
    is_rating = (rounded >= 10) & (rounded <= 50) & ((tenths - rounded).abs() < _FLOAT32_ERROR)
    return nw.when(is_rating).then(rounded).cast(nw.Int64())


def milliseconds_of_number(number: nw.Expr) -> nw.Expr:
    """The time in milliseconds since 1970 UTC of an integer column, from 1995 to 2099."""
    return nw.when((number >= EARLIEST_MS) & (number < END_MS)).then(number).cast(nw.Int64())


def discount_bp(*, paid_minor: nw.Expr, list_minor: nw.Expr, stated_bp: nw.Expr) -> nw.Expr:
    """(list - paid) / list in basis points; the stated discount where a price is missing.

    Null where the list price is 0 or below the price paid, whatever discount is stated.
    """
    both_known = ~paid_minor.is_null() & ~list_minor.is_null()
    is_valid = both_known & (list_minor > 0) & (paid_minor <= list_minor)
    list_price = nw.when(is_valid).then(list_minor).cast(nw.Float64)
    computed = _rounded((list_price - paid_minor.cast(nw.Float64)) / list_price * 10_000)
    return nw.when(both_known).then(computed).otherwise(stated_bp)


def _scaled(text: nw.Expr, pattern: str, per_unit: int) -> nw.Expr:
    digits = nw.when(text.str.contains(pattern)).then(text.str.replace_all("[^0-9.]", ""))
    return _rounded(digits.cast(nw.Float64) * per_unit)


def _rounded(number: nw.Expr) -> nw.Expr:
    return (number + 0.5).floor().cast(nw.Int64)
