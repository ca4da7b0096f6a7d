"""Numbers, times and names as text: money, counts, percentages, dates, the strength of a correlation."""

import re
from datetime import date, datetime, timedelta

from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

_SYMBOLS = {code: symbol for symbol, code in CURRENCY_BY_SYMBOL.items()}
_SCALES = ((1e9, "B"), (1e6, "M"), (1e3, "k"))
_STRENGTHS = ((0.1, "hardly"), (0.3, "weakly"), (0.5, "moderately"))
_MAX_NAME_CHARACTERS = 60
_MINUTES = {"days": 1440, "hours": 60, "minutes": 1}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")


def money(amount: float, currency: str | None) -> str:
    """An amount with its currency and thousands: ₹1,299, $5.49; the code if a currency has no symbol."""
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
    """The unit of an axis that shows money."""
    return currency or "currency of the source"


def percent(share: float, *, decimals: int | None = None) -> str:
    """A share of 1 as a percentage with `decimals`, or with as many as it needs: 42%, 2.2%, 97.8%, 0.02%."""
    value = 100 * share
    if decimals is not None:
        return f"{value:.{decimals}f}%"
    if value in (0, 100) or 5 <= value <= 95:
        return f"{value:.0f}%"
    return f"{value:.2g}%" if value < 5 else f"{min(value, 99.9):.1f}%"


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 review, 9,269 reviews."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def sampled(shown: int, total: int, noun: str) -> str:
    """How much of a table a figure shows: 50 users, or 5,000 of 9,050 users."""
    return counted(total, noun) if shown == total else f"{shown:,} of {counted(total, noun)}"


def signed(number: float, *, decimals: int = 0) -> str:
    """A change or correlation with its sign: +1,204, \N{MINUS SIGN}3; what rounds to zero has none."""
    rounded = round(number, decimals)
    return f"{rounded:+,.{decimals}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{decimals}f}"


def percentage_points(change: float) -> str:
    """A change of a share in percentage points with its sign."""
    return f"{signed(100 * change, decimals=1)} points"


def strength(rank_correlation: float) -> str:
    """The strength of a correlation as an adverb."""
    return next((word for limit, word in _STRENGTHS if abs(rank_correlation) < limit), "strongly")


def joined(phrases: list[str]) -> str:
    """Phrases as an English list: a, b and c."""
    return " and ".join(part for part in (", ".join(phrases[:-1]), *phrases[-1:]) if part)


def category_name(category: str) -> str:
    """A category with spaces added: `HomeTheater,TV&Video` is Home Theater, TV & Video. A long one is cut."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", category)
    name = re.sub(r"\s+", " ", spaced.replace("&", " & ").replace(",", ", ")).strip()
    return name if len(name) <= _MAX_NAME_CHARACTERS else f"{name[: _MAX_NAME_CHARACTERS - 1]}…"


def sentence_case(identifier: str) -> str:
    """An identifier as text: rejection_rate is Rejection rate."""
    return identifier.replace("_", " ").capitalize()


def capitalized(phrase: str) -> str:
    """The phrase with a capital first letter; the rest is unchanged."""
    return phrase[:1].upper() + phrase[1:]


def markdown_escaped(text: str) -> str:
    """Text from data in which Markdown finds no markup; runs of white space become one space."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def day(when: date) -> str:
    """A day: 23 Nov 2026."""
    return f"{when.day} {when:%b %Y}"


def moment(time: datetime) -> str:
    """A time in UTC: 23 Nov 2026, 15:20 UTC."""
    return f"{day(time)}, {time:%H:%M} UTC"


def age(span: timedelta) -> str:
    """A time span before now in its largest useful unit: 3 days ago."""
    minutes = max(0, int(span.total_seconds() // 60))
    unit = next((unit for unit, size in _MINUTES.items() if minutes >= 2 * size), None)
    return f"{minutes // _MINUTES[unit]:,} {unit} ago" if unit else "just now"


def _prefix(currency: str | None) -> str:
    return "" if currency is None else _SYMBOLS.get(currency, f"{currency} ")
