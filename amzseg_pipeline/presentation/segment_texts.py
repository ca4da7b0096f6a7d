"""Segments as text: a typical user, the strongest differences, and how confident an assignment is."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from amzseg_pipeline.presentation.formatting import NO_BREAK_SPACE, percent
from amzseg_pipeline.presentation.labels import UNKNOWN, feature_value

LOW_MARGIN, HIGH_MARGIN = 0.1, 0.3
"""A margin below LOW_MARGIN means low confidence, one of at least HIGH_MARGIN high confidence, others medium."""

MIN_COVERAGE = 0.5
"""A mean that is known for a smaller share of users than this is marked with that share."""

_PHRASES = {
    "total_reviews": ("write more reviews", "write fewer reviews"),
    "avg_rating": ("rate higher", "rate lower"),
    "avg_discount": ("buy at deeper discounts", "buy at smaller discounts"),
    "avg_spend": ("pay more for an item", "pay less for an item"),
    "engagement_score": ("are more engaged", "are less engaged"),
}
_MIN_DIFFERENCE_SD = 0.25
"""After the strongest difference, those below this are not mentioned."""

_SAME_TRAIT = {"engagement_score": "total_reviews", "total_reviews": "engagement_score"}


_K_CONFIDENCE = {
    "high": "other users of the same source would give these segments again",
    "medium": "other users of the same source would give similar segments; how many there are is less certain",
    "low": "users do not fall into clear groups; read the segments as a convention",
}


def k_confidence_text(choice: Mapping[str, Any]) -> str:
    """The confidence of the number of segments, `k` of run.json, and the numbers that the data supports as well."""
    level: str = choice["confidence"]
    passing: Sequence[int] = choice.get("passing") or ()
    text = f"{level} confidence: {_K_CONFIDENCE[level]}"
    if len(passing) < 2:
        return text
    is_range = passing[-1] - passing[0] == len(passing) - 1
    numbers = f"{passing[0]} to {passing[-1]}" if is_range else ", ".join(map(str, passing))
    return f"{text} (the data supports {numbers} segments)"


class Confidence(NamedTuple):
    """How confident an assignment is: a level and what follows from it."""

    level: str
    explanation: str


def confidence(margin: float | None) -> Confidence:
    """The confidence of an assignment with this margin; None means there is only one segment."""
    if margin is None:
        return Confidence("Only segment", "There is no other segment to compare with.")
    if margin < LOW_MARGIN:
        return Confidence("Low", "Almost as close to the second-best segment: treat the user as either.")
    if margin < HIGH_MARGIN:
        return Confidence("Medium", "Closer to this segment than to any other, but not by much.")
    return Confidence("High", "Much closer to this segment than to any other.")


def typical_user(means: Mapping[str, float | None], currency: str | None, coverage: Mapping[str, float]) -> str:
    """The average user of a segment on one line; unknown means are left out.

    `coverage` is the share of users who have each feature; where it is small, the mean is marked with it.
    """
    values = [
        with_coverage(feature_value("total_reviews", means["total_reviews"], currency=currency, is_mean=True), 1.0),
        with_coverage(feature_value("avg_rating", means["avg_rating"], currency=currency), coverage["avg_rating"]),
        with_coverage(
            f"{feature_value('avg_discount', means['avg_discount'], currency=currency)} off", coverage["avg_discount"]
        ),
        with_coverage(
            f"{feature_value('avg_spend', means['avg_spend'], currency=currency)} an item", coverage["avg_spend"]
        ),
    ]
    return " · ".join(value.replace(" ", NO_BREAK_SPACE) for value in values if not value.startswith(UNKNOWN))


def with_coverage(text: str, coverage: float) -> str:
    """A mean as text, with the share of users behind it if that is small: ₹2,427 an item (known for 31%)."""
    return text if coverage >= MIN_COVERAGE or text == UNKNOWN else f"{text} (known for {percent(coverage)})"


def strongest_differences(
    standardized: Mapping[str, float], means: Mapping[str, float | None], other_means: Mapping[str, float | None],
    *, currency: str | None, other_name: str = "all users", limit: int = 2,
) -> list[str]:  # fmt: skip
    """The features in which a group differs most from others, in raw units, strongest first.

    Args:
        standardized: Difference of each feature in standard deviations.
        means: Mean of each feature in the group.
        other_means: Mean of each feature in what it is compared with.
        currency: ISO 4217 code of avg_spend.
        other_name: What it is compared with, as a text names it.
        limit: The largest number of differences.
    """
    phrases: list[str] = []
    used: set[str] = set()
    for name in sorted(standardized, key=lambda each: -abs(standardized[each])):
        mean, other = means.get(name), other_means.get(name)
        if mean is None or other is None or _SAME_TRAIT.get(name) in used:
            continue
        if phrases and abs(standardized[name]) < _MIN_DIFFERENCE_SD:
            break
        if (mean - other) * standardized[name] <= 0:
            continue  # raw means can differ in the opposite direction from the logarithms that are clustered
        here, there = (feature_value(name, value, currency=currency, is_mean=True) for value in (mean, other))
        if here == there:
            continue
        phrases.append(f"{_PHRASES[name][standardized[name] < 0]} ({here} on average, {other_name} {there})")
        used.add(name)
        if len(phrases) == limit:
            break
    return phrases
