"""Sums per user that merge, as tables of the engine: the aggregation of steps/users.py with months as bitmaps.

Written in SQL, because narwhals has no bit operations. Months are numbered as in steps/users.py; the 504 months from
March 1993 are bits of eight integers, other months are in a list, which few users have.
"""

import narwhals as nw

from amzseg_pipeline.steps.users import SUMMED
from amzseg_pipeline.storage.engines import Engine

_FIRST_MONTH = 300
_MONTHS_PER_WORD = 63
_WORDS = tuple(f"months_{number}" for number in range(8))
_MONTHS = _MONTHS_PER_WORD * len(_WORDS)
_TIMES = ("first_reviewed_at_ms", "last_reviewed_at_ms")
SUM_COLUMNS = ("user_id", "user_hash", *SUMMED, *_TIMES, *_WORDS, "other_months")
"""The columns of merged_sums."""


def sums_of_measures(measures: nw.LazyFrame, engine: Engine, *, sign: int = 1) -> nw.LazyFrame:
    """review_measures as rows that merged_sums accepts, one per review; `sign` -1 takes reviews out of the sums."""
    month = f"(month - {_FIRST_MONTH})"
    bitmaps = {
        word: f"CASE WHEN {month} >= {number * _MONTHS_PER_WORD} AND {month} < {(number + 1) * _MONTHS_PER_WORD} "
        f"THEN 1::BIGINT << ({month} - {number * _MONTHS_PER_WORD})::INTEGER ELSE 0::BIGINT END"
        for number, word in enumerate(_WORDS)
    }
    return engine.projected(
        measures,
        {
            **{name: name for name in ("user_id", "user_hash")},
            **{name: name if sign == 1 else f"-{name}" for name in SUMMED},
            **dict.fromkeys(_TIMES, "reviewed_at_ms"),
            **bitmaps,
            "other_months": f"CASE WHEN {month} < 0 OR {month} >= {_MONTHS} THEN [month] END",
        },
    )


def merged_sums(sums: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    """One row per user: the sums of all rows of the user."""
    others = "list(other_months) FILTER (other_months IS NOT NULL)"
    return engine.aggregated(
        sums,
        {
            "user_hash": "min(user_hash)",
            **{name: f"sum({name})::BIGINT" for name in SUMMED},
            "first_reviewed_at_ms": "min(first_reviewed_at_ms)",
            "last_reviewed_at_ms": "max(last_reviewed_at_ms)",
            **{word: f"bit_or({word})" for word in _WORDS},
            "other_months": f"list_sort(list_distinct(flatten({others})))",
        },
        by="user_id",
    )


def with_active_months(sums: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    """merged_sums with `active_months`, the number of months with a review."""
    months = " + ".join(f"bit_count({word})::BIGINT" for word in _WORDS)
    columns = {name: name for name in SUM_COLUMNS}
    return engine.projected(sums, {**columns, "active_months": f"{months} + coalesce(len(other_months), 0)"})
