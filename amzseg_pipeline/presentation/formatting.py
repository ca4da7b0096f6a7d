"""Numbers and names as people read them: money, counts, shares, categories, the strength of a relation."""

import re

from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL

_SYMBOLS = {code: symbol for symbol, code in CURRENCY_BY_SYMBOL.items()}
_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_STRENGTHS = ((0.1, "hardly"), (0.3, "weakly"), (0.5, "moderately"))


def money(amount: float, currency: str | None) -> str:
    """An amount with its currency and thousands: ₹1,299, $5.49; the code where a currency has no symbol."""
    decimals = 2 if abs(amount) < 10 and round(amount, 2) != round(amount) else 0
    return f"{_prefix(currency)}{amount:,.{decimals}f}"


def compact_money(amount: float, currency: str | None) -> str:
    """An amount short enough for an axis: ₹500, ₹1.5k, $2M."""
    return f"{_prefix(currency)}{compact(amount)}"


def compact(number: float) -> str:
    """A number short enough for an axis: 500, 1.5k, 2M."""
    for scale, suffix in _SCALES:
        if abs(number) >= scale:
            return f"{number / scale:.3g}{suffix}"
    return f"{number:.3g}"


def money_unit(currency: str | None) -> str:
    """The unit an axis of money carries."""
    return currency or "currency of the source"


def percent(share: float) -> str:
    """A share of 1 as a percentage, with decimals where a whole number would hide it: 42 %, 2.2 %, 97.8 %, 0.02 %."""
    value = 100 * share
    if value in (0, 100) or 5 <= value <= 95:
        return f"{value:.0f} %"
    return f"{value:.2g} %" if value < 5 else f"{min(value, 99.9):.1f} %"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 review, 9,269 reviews."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def sampled(shown: int, total: int, noun: str) -> str:
    """How much of a table a figure shows."""
    return counted(total, noun) if shown == total else f"{shown:,} of {counted(total, noun)}"


def category_name(category: str) -> str:
    """A category as people write it: `HomeTheater,TV&Video` is Home Theater, TV & Video."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", category)
    return re.sub(r"\s+", " ", spaced.replace("&", " & ").replace(",", ", ")).strip()


def signed(correlation: float) -> str:
    """A correlation with its sign and two decimals; never -0.00."""
    return f"{round(correlation, 2) + 0.0:+.2f}"


def strength(rank_correlation: float) -> str:
    """How closely two things go together, in a word."""
    return next((word for limit, word in _STRENGTHS if abs(rank_correlation) < limit), "strongly")


def _prefix(currency: str | None) -> str:
    return "" if currency is None else _SYMBOLS.get(currency, f"{currency} ")
