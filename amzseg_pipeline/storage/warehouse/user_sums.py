"""Mergeable sums per user as tables of the engine: the aggregation of steps/users.py with months as bitmaps.

Written in SQL, because narwhals has no bit operations. Months are numbered as in steps/users.py; the 504 months from
March 1993 are bits of eight integers. A review of another month only sends its user to the exact aggregation.
"""

import narwhals as nw

from amzseg_pipeline.steps.users import SUMMED
from amzseg_pipeline.storage.engines import Engine

_FIRST_MONTH = 300
_MONTHS_PER_WORD = 63
_WORDS = tuple(f"months_{number}" for number in range(8))
_MONTHS = _MONTHS_PER_WORD * len(_WORDS)
_COPIED = ("user_id", "user_hash", *SUMMED, "first_reviewed_at_ms", "last_reviewed_at_ms")


def sums_of_measures(measures: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    """review_measures as rows that merged_sums accepts: the sums of one review each."""
    month = f"(month - {_FIRST_MONTH})"
    words = {
        word: f"CASE WHEN {month} // {_MONTHS_PER_WORD} = {number} AND {month} >= 0 "
        f"THEN 1::BIGINT << ({month} % {_MONTHS_PER_WORD})::INTEGER ELSE 0::BIGINT END"
        for number, word in enumerate(_WORDS)
    }
    times = dict.fromkeys(("first_reviewed_at_ms", "last_reviewed_at_ms"), "reviewed_at_ms")
    return engine.projected(
        measures,
        {
            **{name: times.get(name, name) for name in _COPIED},
            **words,
            "other_months": f"CASE WHEN {month} < 0 OR {month} >= {_MONTHS} THEN 1::BIGINT ELSE 0::BIGINT END",
        },
    )


def merged_sums(sums: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    """One row per user: the sums of all rows of the user."""
    return engine.aggregated(
        sums,
        {
            "user_hash": "min(user_hash)",
            **{name: f"sum({name})::BIGINT" for name in SUMMED},
            "first_reviewed_at_ms": "min(first_reviewed_at_ms)",
            "last_reviewed_at_ms": "max(last_reviewed_at_ms)",
            **{word: f"bit_or({word})" for word in _WORDS},
            "other_months": "max(other_months)",
        },
        by="user_id",
    )


def with_active_months(sums: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    """merged_sums with the columns of user_sums; wrong where `other_months` is 1."""
    months = " + ".join(f"bit_count({word})::BIGINT" for word in _WORDS)
    return engine.projected(sums, {**{name: name for name in _COPIED}, "active_months": months})
