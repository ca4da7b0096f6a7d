"""Segment profiles: size and feature means of every segment."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model, Segment
from amzseg_pipeline.contracts.segments import LOOKALIKE_MARGIN, SEGMENT_PROFILES
from amzseg_pipeline.contracts.users import FEATURES, TOTAL_SPEND
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame

_BILLION = 10**9


class ProfileCounts(NamedTuple):
    """Integers of some users, which add up to the same profiles in any order and split."""

    sums: dict[str, Counter[str]]
    """By segment: users, cents, and for every feature the nulls and the sum as units and billionths."""
    close: Counter[tuple[str, str]]
    """Users with a margin below LOOKALIKE_MARGIN by segment and second segment."""


def profile_counts(assignments: nw.LazyFrame[Any]) -> ProfileCounts:
    """The counts of the users in contracts.SEGMENT_ASSIGNMENTS."""
    close = assignments.filter(nw.col("margin") < LOOKALIKE_MARGIN).group_by("segment_id", "second_segment_id")
    rows = close.agg(users=nw.len()).collect().rows(named=True)
    return ProfileCounts(
        {row.pop("segment_id"): Counter({name: int(row[name]) for name in row}) for row in _sums(assignments)},
        Counter({(row["segment_id"], row["second_segment_id"]): int(row["users"]) for row in rows}),
    )


def segment_profiles(parts: Iterable[ProfileCounts], model: Model) -> pd.DataFrame:
    """contracts.SEGMENT_PROFILES: one row per segment of `model`, from the counts of all users in one or more parts.

    Segments without users say so in their name: they have a row because users can be second closest to them.

    Values are rounded to nine decimals and summed as integers, so means are identical on every engine and in every
    order and split. Raises ModelError for a segment that the model does not have.
    """
    by_id: dict[str, Counter[str]] = {}
    close: Counter[tuple[str, str]] = Counter()
    for part in parts:
        close.update(part.close)
        for segment_id, sums in part.sums.items():
            by_id.setdefault(segment_id, Counter()).update(sums)
    unknown = by_id.keys() - {segment.segment_id for segment in model.segments}
    if unknown:
        raise ModelError(
            f"segment_assignments: segments {', '.join(sorted(map(str, unknown)))} are not in model {model.version}; "
            "score the users again."
        )
    users = sum(row["users"] for row in by_id.values())
    cents = sum(row["spend_cents"] for row in by_id.values())
    lookalikes = _lookalikes(close, by_id)
    rows = [
        {
            **_profile(segment, by_id.get(segment.segment_id), model=model, users=users, all_cents=cents),
            "lookalikes": lookalikes[segment.segment_id] if cents else None,
        }
        for segment in model.segments
    ]
    return contract_frame(SEGMENT_PROFILES, {name: [row[name] for row in rows] for name in rows[0]})


def _sums(assignments: nw.LazyFrame[Any]) -> list[dict[str, Any]]:
    """Per segment: users, and for every feature the nulls and the sum as units and billionths."""
    floors = {name: nw.col(name).cast(nw.Float64).fill_null(0.0).floor() for name in FEATURES}
    parts = assignments.select(
        "segment_id",
        (nw.col(TOTAL_SPEND.name).cast(nw.Float64).fill_null(0.0) * 100 + 0.5)
        .floor()
        .cast(nw.Int64)
        .alias("spend_cents"),
        nw.col(TOTAL_SPEND.name).is_null().cast(nw.Int64).alias("spend_null"),
        *(nw.col(name).is_null().cast(nw.Int64).alias(f"{name}_null") for name in FEATURES),
        *(units.cast(nw.Int64).alias(f"{name}_units") for name, units in floors.items()),
        *(
            ((nw.col(name).cast(nw.Float64).fill_null(0.0) - units) * _BILLION + 0.5)
            .floor()
            .cast(nw.Int64)
            .alias(f"{name}_billionths")
            for name, units in floors.items()
        ),
    )
    sums = parts.group_by("segment_id").agg(
        nw.len().alias("users"),
        nw.col("spend_cents").sum(),
        nw.col("spend_null").sum(),
        *(nw.col(f"{name}_{part}").sum() for name in FEATURES for part in ("null", "units", "billionths")),
    )
    return sums.collect().rows(named=True)


def _lookalikes(close: Counter[tuple[str, str]], by_id: dict[str, Counter[str]]) -> Counter[str]:
    """Segment -> users of segments with less spend per user who are close to it."""
    spend = {segment_id: row["spend_cents"] / row["users"] for segment_id, row in by_id.items()}
    counts: Counter[str] = Counter()
    for (own, second), users in close.items():
        if spend[own] < spend.get(second, 0.0):
            counts[second] += users
    return counts


def _profile(
    segment: Segment, sums: Counter[str] | None, *, model: Model, users: int, all_cents: int
) -> dict[str, Any]:
    has_spend = sums is not None and sums["spend_null"] < sums["users"]
    cents = sums["spend_cents"] if sums else 0
    return {
        "segment_id": segment.segment_id,
        "segment_name": segment.name,
        "users": sums["users"] if sums else 0,
        "share": sums["users"] / users if sums else 0.0,
        **{name: _mean(sums, name) if sums else None for name in FEATURES},
        "total_spend": cents / 100 if has_spend else None,
        "spend_share": cents / all_cents if has_spend and all_cents else None,
        "strategy": segment.strategy,
        "name_fit": segment.name_fit if sums else 1.0,
        "k_confidence": model.choice.confidence,
        "model_version": model.version,
    }


def _mean(sums: Counter[str], name: str) -> float | None:
    known = sums["users"] - sums[f"{name}_null"]
    billionths = sums[f"{name}_units"] * _BILLION + sums[f"{name}_billionths"]
    return billionths / (known * _BILLION) if known else None
