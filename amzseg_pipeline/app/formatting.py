"""Numbers, times and names as the pages write them: one label, one unit and one precision per feature."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from amzseg_pipeline.presentation.formatting import money, money_unit

UNKNOWN = "unknown"
_SPACE = "\N{NO-BREAK SPACE}"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")


@dataclass(frozen=True)
class FeatureWords:
    """What a feature is called, its unit beside a number and on an axis, and what it is."""

    label: str
    unit: str
    axis: str
    meaning: str


FEATURE_WORDS = {
    "total_reviews": FeatureWords("Reviews", "reviews", "reviews per user", "Distinct reviews a user has written."),
    "avg_rating": FeatureWords("Average rating", "★", "stars", "Mean of the ratings, 1 to 5 stars."),
    "avg_discount": FeatureWords("Average discount", "%", "percent off", "Mean discount on what was bought."),
    "avg_spend": FeatureWords("Average spend", "", "", "Mean price paid for an item."),
    "engagement_score": FeatureWords("Engagement", "points", "points", "Reviews × average rating."),
}


def feature_value(
    name: str, value: float | None, *, currency: str | None, unit: bool = True, is_mean: bool = False
) -> str:
    """A value of a feature: `2 reviews`, `4.0 ★`, `63.0 %`, `₹509`, `7.5 points`; `unknown` where it is missing.

    The mean over many users has a decimal even where it is whole: `1.0 reviews`.
    """
    if value is None or value != value:
        return UNKNOWN
    if name == "avg_spend":
        return money(value, currency)
    decimals = 0 if name == "total_reviews" and not is_mean and float(value).is_integer() else 1
    number = f"{value:,.{decimals}f}"
    if not unit:
        return number
    words = FEATURE_WORDS[name].unit
    return f"{number}{_SPACE}{'review' if words == 'reviews' and number == '1' else words}"


def feature_heading(name: str, currency: str | None) -> str:
    """A feature as the head of a column: its label and unit."""
    unit = money_unit(currency) if name == "avg_spend" else FEATURE_WORDS[name].unit
    return FEATURE_WORDS[name].label if unit == "reviews" else f"{FEATURE_WORDS[name].label} ({unit})"


def feature_axis(name: str, currency: str | None) -> str:
    """A feature as the title of an axis."""
    words = FEATURE_WORDS[name]
    return f"{words.label} ({money_unit(currency) if name == 'avg_spend' else words.axis})"


def typical_user(values: dict[str, float | None], currency: str | None) -> str:
    """What a segment's users are like on average, in a line."""
    parts = [
        feature_value("total_reviews", values["total_reviews"], currency=currency, is_mean=True),
        feature_value("avg_rating", values["avg_rating"], currency=currency),
        f"{feature_value('avg_discount', values['avg_discount'], currency=currency)} off",
        f"{feature_value('avg_spend', values['avg_spend'], currency=currency)} an item",
    ]
    return " · ".join(part.replace(" ", _SPACE) for part in parts if not part.startswith(UNKNOWN))


def tactics(strategy: str) -> list[str]:
    """The parts of a strategy, each with a capital."""
    return [part[:1].upper() + part[1:] for part in (each.strip() for each in strategy.split(",")) if part]


def share_of(part: float) -> str:
    """A part of 1 as a percentage with one decimal: 44.5 %."""
    return f"{100 * part:.1f}{_SPACE}%"


def signed(number: float, *, decimals: int = 0) -> str:
    """A change with its sign: +1,204, −3; nothing has none."""
    rounded = round(number, decimals)
    return f"{rounded:+,.{decimals}f}".replace("-", "\N{MINUS SIGN}") if rounded else f"{0:.{decimals}f}"


def points(change: float) -> str:
    """A change of a share in percentage points, with its sign."""
    return f"{signed(100 * change, decimals=1)} points"


def certainty(margin: float | None) -> tuple[str, str]:
    """How sure a segment is, in a word and a sentence."""
    if margin is None:
        return "The only segment", "There is no other segment to compare with."
    if margin < 0.1:
        return "On the fence", "Almost as close to the second-best segment: treat it as either."
    if margin < 0.3:
        return "Leaning", "Closer to this segment than to any other, but not by much."
    return "Clear", "Much closer to this segment than to any other."


def moment(time: datetime) -> str:
    """A time in UTC: 23 Nov 2026, 15:20 UTC."""
    return f"{day(time)}, {time:%H:%M} UTC"


def day(when: date) -> str:
    """A day: 23 Nov 2026."""
    return f"{when.day} {when:%b %Y}"


def age(span: timedelta) -> str:
    """How long ago, in the largest unit that says enough."""
    minutes = max(0, int(span.total_seconds() // 60))
    for size, unit in ((2880, "days"), (120, "hours"), (2, "minutes")):
        if minutes >= size:
            return f"{minutes // {'days': 1440, 'hours': 60, 'minutes': 1}[unit]:,} {unit} ago"
    return "just now"


def spoken(name: str) -> str:
    """A name of the code as words: few_rejected is Few rejected."""
    return name.replace("_", " ").capitalize()


def plain(text: str) -> str:
    """A text that Markdown leaves as it is: for words that come from data."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


__all__ = [
    "FEATURE_WORDS",
    "UNKNOWN",
    "FeatureWords",
    "age",
    "certainty",
    "day",
    "feature_axis",
    "feature_heading",
    "feature_value",
    "moment",
    "money",
    "plain",
    "points",
    "share_of",
    "signed",
    "spoken",
    "tactics",
    "typical_user",
]
