"""Prices, percentages, ratings and counts: separators, symbols and scale, decided per column.

Over 250 lines: the rules for one column, which depend on each other.
"""

import re
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.reviews import CURRENCY_BY_SYMBOL
from amzseg_pipeline.steps.reviews import values
from amzseg_pipeline.storage.landing.scan.export import Export
from amzseg_pipeline.storage.landing.values.column import MIN_UNREADABLE, mapped, quoted, refuse

_MOJIBAKE = {"â‚¹": "₹", "â‚¬": "€", "Â£": "£", "Â¥": "¥"}
_CODES = r"[A-Za-z]{3}"
_MONEY = re.compile(
    rf"(?P<before>[{''.join(CURRENCY_BY_SYMBOL)}]|Rs\.?|US\$|{_CODES})?\s*(?P<number>[0-9][0-9.,' ]*)"
    rf"\s*(?P<after>[{''.join(CURRENCY_BY_SYMBOL)}]|Rs\.?|{_CODES})?",
    re.IGNORECASE,
)
_SYMBOL_BY_CODE = {code: symbol for symbol, code in CURRENCY_BY_SYMBOL.items()}
_NOISE = Decimal("0.000001")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}")
_DOT_GROUPED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3}){2,}(?:,[0-9]+)?|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_SPACE_GROUPED = re.compile(r"[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]+)?|[0-9]{1,3}(?:'[0-9]{3})+(?:[.,][0-9]+)?")
_WHOLE_WITH_DOTS = re.compile(r"[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+")
_DECIMAL_FIX = "write prices as 1234.50, or state decimal in a columns.toml file"


class _Texts:
    """The distinct texts of a column."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._count = 0

    def add(self, texts: pa.Array) -> None:
        self._count += len(texts) - texts.null_count
        self._texts |= dict.fromkeys(pc.unique(texts.drop_null()).to_pylist())

    def _require_some(self, name: str, rewritten: Callable[[str], str], pattern: str, *, rule: str, fix: str) -> None:
        """Refuses a column of many texts, none of which matches the pattern once it is rewritten."""
        if self._count >= MIN_UNREADABLE and not any(re.match(pattern, rewritten(text)) for text in self._texts):
            raise refuse(name, f"no value is {rule}, such as {quoted(self._texts)}", fix)


class PriceStyle(_Texts):
    """A column of amounts; rewritten with a decimal point, at most two decimals, and a leading symbol or nothing.

    `is_european` means that the file separates values by semicolons or has decimal commas elsewhere, so that `1,234`
    may be a little more than one.
    """

    def __init__(self, *, decimal: str = "", is_european: bool = False) -> None:
        super().__init__()
        self._decimal = decimal
        self._is_european = is_european
        self._read: dict[str, str | None] = {}

    def decide(self, name: str, export: Export) -> None:
        numbers = {text: match["number"].strip() for text in self._texts if (match := _matched(text))}
        lost = [text for text in self._texts if re.match(r"^[?\ufffd]+ ?[0-9]", text)]
        if lost:
            raise refuse(
                name,
                f"the currency symbol was lost before {quoted(lost)}",
                "export as UTF-8 again, or replace the question mark by the symbol",
            )
        if not self._decimal:
            self._decide_decimal(name, numbers)
        if self._decimal == ",":
            export.assume(f"{name} has decimal commas")
        self._read = {text: self._amount(text) for text in self._texts}
        unreadable = [text for text, amount in self._read.items() if amount is None]
        if len(unreadable) == len(self._texts) and self._count >= MIN_UNREADABLE:
            raise refuse(
                name,
                f"no value is an amount of money with at most two decimals, such as {quoted(unreadable)}",
                "write amounts as 1234.50, $1,234.50 or 1234.50 USD",
            )
        _assume_rewritten(name, self._read, export)

    def _decide_decimal(self, name: str, numbers: dict[str, str]) -> None:
        comma = [text for text, number in numbers.items() if _has_decimal_comma(number)]
        point = [text for text, number in numbers.items() if _has_decimal_point(number)]
        if comma and point:
            raise refuse(name, f"decimal commas ({quoted(comma)}) and points ({quoted(point)})", _DECIMAL_FIX)
        if not comma and not point:
            unclear = [text for text, number in numbers.items() if re.fullmatch(r"[0-9]{1,3}\.[0-9]{3}", number)]
            if self._is_european:
                unclear += [text for text, number in numbers.items() if re.fullmatch(r"[0-9]{1,3},[0-9]{3}", number)]
            if unclear:
                raise refuse(
                    name,
                    f"whether the separator marks thousands or decimals cannot be decided, such as {quoted(unclear)}",
                    _DECIMAL_FIX,
                )
        self._decimal = "," if comma else "."

    def _amount(self, text: str) -> str | None:
        if self._decimal == "." and re.match(values.MONEY, text):
            return text
        match = _matched(text)
        if match is None:
            return None
        number = match["number"].strip()
        if re.search("[ ']", number):
            if not _SPACE_GROUPED.fullmatch(number):
                return None
            number = number.replace(" ", "").replace("'", "")
        if self._decimal == ",":
            if not _WHOLE_WITH_DOTS.fullmatch(number.partition(",")[0]):
                return None
            number = number.replace(".", "").replace(",", ".")
        else:
            number = number.replace(",", "") if _GROUPED.fullmatch(number.partition(".")[0]) else number
        number = _without_noise(number)
        if not re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,2})?", number):
            return None
        code = _code(match["before"]) or _code(match["after"])
        symbol = _SYMBOL_BY_CODE.get(code, f"{code} " if code else "")
        return f"{symbol}{number}"

    def rewritten(self, texts: pa.Array) -> pa.Array:
        # A text that cannot be read must stay unreadable: `1,234` in a column of decimal commas is not 1234.
        return mapped(texts, lambda text: self._read[text] or f"{values.UNREADABLE_MARK}{text}")


def currency_code(text: str) -> str:
    """The ISO 4217 code of a currency's code in any case, or of its symbol; other texts unchanged."""
    return _code(text) or text


class PercentStyle(_Texts):
    """A column of percentages; rewritten as 0 to 100. Fractions (0.65) are recognised per column."""

    _factor = 1

    def decide(self, name: str, export: Export) -> None:
        signed = [text for text in self._texts if text.endswith("%")]
        plain = [text for text in self._texts if re.fullmatch(r"[0-9]+(?:[.,][0-9]+)?", text)]
        small = [text for text in plain if _number(text) <= 1 and _number(text) != 0]
        if signed and any(_number(text) < 1 for text in small):
            raise refuse(
                name, f"percentages ({quoted(signed)}) and fractions ({quoted(small)})", "write all of them as 65%"
            )
        if signed or not small:
            fix = "write percentages as 65%"
            self._require_some(name, self._percent, values.PERCENT, rule="a percentage from 0 to 100", fix=fix)
            return
        if len(small) == len([text for text in plain if _number(text)]):
            if all(_number(text) == 1 for text in small):
                raise refuse(name, "it is not clear whether 1 is 1% or 100%", "write it as 1% or 100%")
            self._factor = 100
            export.assume(f"{name} is a fraction of 1, such as {quoted(small)}")
        elif sum(_number(text) < 1 for text in small) * 2 > len(plain):
            raise refuse(name, f"fractions and percentages, such as {quoted(plain)}", "write all of them as 65%")

    def rewritten(self, texts: pa.Array) -> pa.Array:
        return mapped(texts, self._percent)

    def _percent(self, text: str) -> str:
        text = re.sub(r"(?<=[0-9]),(?=[0-9])", ".", text)
        if self._factor == 1:
            number = text.removesuffix("%").strip()
            is_noisy = re.fullmatch(r"[0-9]{1,3}\.[0-9]{3,}", number)
            return f"{_without_noise(number)}%" if is_noisy else text
        if not re.fullmatch(r"[01](?:\.[0-9]+)?", text):
            return text
        return f"{round(Decimal(text) * 100, 2).normalize():f}"


class RatingStyle(_Texts):
    """A column of ratings; rewritten with a decimal point and without `out of 5 stars`."""

    def decide(self, name: str, export: Export) -> None:
        self._require_some(name, self._rating, values.STARS, rule="a rating from 1 to 5", fix="write 1 to 5 stars")
        if any(re.match(r"^[1-5],[0-9]", text) for text in self._texts):
            export.assume(f"{name} has decimal commas")
        if words := [text for text in self._texts if "star" in text]:
            export.assume(f"{name} has words, such as {quoted(words)}")

    def rewritten(self, texts: pa.Array) -> pa.Array:
        return mapped(texts, self._rating)

    @staticmethod
    def _rating(text: str) -> str:
        match = re.fullmatch(r"([0-9](?:[.,][0-9]+)?)(?: out of 5(?: stars)?| stars?)?", text)
        return match[1].replace(",", ".") if match else text


class CountStyle(_Texts):
    """A column of counts; rewritten without a fraction of zero (57303.0)."""

    def decide(self, name: str, export: Export) -> None:
        self._require_some(name, _without_zero_fraction, values.COUNT, rule="a count", fix="write counts as digits")
        if floats := [text for text in self._texts if text.endswith(".0")]:
            export.assume(f"{name} has counts as decimal numbers, such as {quoted(floats)}")

    def rewritten(self, texts: pa.Array) -> pa.Array:
        return mapped(texts, _without_zero_fraction)


def _without_zero_fraction(text: str) -> str:
    return re.sub(r"^([0-9]+)\.0+$", r"\1", text)


def _matched(text: str) -> re.Match[str] | None:
    return _MONEY.fullmatch(_repaired(text))


def _repaired(text: str) -> str:
    for broken, symbol in _MOJIBAKE.items():
        text = text.replace(broken, symbol)
    return text.replace("\u00a0", " ").replace("\u202f", " ").strip()


def _code(text: str | None) -> str:
    """The currency code of a symbol or code in any case; "" for none."""
    if not text:
        return ""
    stripped = _repaired(text)
    if stripped.lower().rstrip(".") == "rs":
        return "INR"
    if stripped.upper() == "US$":
        return "USD"
    if stripped in CURRENCY_BY_SYMBOL:
        return CURRENCY_BY_SYMBOL[stripped]
    return stripped.upper() if re.fullmatch(_CODES, stripped) else ""


def _has_decimal_comma(number: str) -> bool:
    number = number.replace(" ", "").replace("'", "")
    return bool(_DOT_GROUPED.fullmatch(number) or re.fullmatch(r"[0-9]+,[0-9]{1,2}", number))


def _has_decimal_point(number: str) -> bool:
    whole, point, fraction = number.rpartition(".")
    if not point or not fraction.isdigit():
        return False
    return bool(_GROUPED.fullmatch(whole)) or (whole.isdigit() and (len(fraction) != 3 or len(whole) > 3))


def _without_noise(number: str) -> str:
    """A number of at most two decimals where the rest is the noise of floating point."""
    if not re.fullmatch(r"[0-9]+\.[0-9]{3,}", number):
        return number
    rounded = round(Decimal(number), 2)
    return f"{rounded.normalize():f}" if abs(rounded - Decimal(number)) < _NOISE else number


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _assume_rewritten(name: str, read: dict[str, str | None], export: Export) -> None:
    """Reports the types of rewriting that changed more than separators."""
    broken = [text for text in read if any(mark in text for mark in _MOJIBAKE)]
    if broken:
        export.assume(f"{name} has currency symbols in a wrong encoding, such as {quoted(broken)}")
    noisy = [text for text in read if read[text] and re.search(r"\.[0-9]{3,}", text)]
    if noisy:
        export.assume(f"{name} is rounded to two decimals, such as {quoted(noisy)}")
    named = [text for text in read if read[text] and re.search("[A-Za-z]", text)]
    if named:
        export.assume(f"{name} names its currency in letters, such as {quoted(named)}")
