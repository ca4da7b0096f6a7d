"""Segment profiles: size and feature means of every segment."""

from typing import Any

import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model, Segment
from amzseg_pipeline.contracts.segments import LOOKALIKE_MARGIN, SEGMENT_PROFILES
from amzseg_pipeline.contracts.users import FEATURES, TOTAL_SPEND
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame

_BILLION = 10**9


def segment_profiles(assignments: nw.LazyFrame[Any], model: Model) -> pd.DataFrame:
    """contracts.SEGMENT_PROFILES: one row per segment of `model`.

    Segments without users say so in their name: they have a row because users can be second closest to them.

    Values are rounded to nine decimals and summed as integers, so means are identical on every engine and in every
    order and split. Raises ModelError for a segment that the model does not have.
    """
    by_id = {row["segment_id"]: row for row in _sums(assignments)}
    unknown = by_id.keys() - {segment.segment_id for segment in model.segments}
    if unknown:
        raise ModelError(
            f"segment_assignments: segments {', '.join(sorted(map(str, unknown)))} are not in model {model.version}; "
            "score the users again."
        )
    users = sum(row["users"] for row in by_id.values())
    cents = sum(int(row["spend_cents"]) for row in by_id.values())
    lookalikes = _lookalikes(assignments, by_id)
    rows = [
        {
            **_profile(segment, by_id.get(segment.segment_id), model=model, users=users, all_cents=cents),
            "lookalikes": lookalikes.get(segment.segment_id, 0) if cents else None,
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


def _lookalikes(assignments: nw.LazyFrame[Any], by_id: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Segment -> users of segments with less spend per user who are close to it."""
    close = assignments.filter(nw.col("margin") < LOOKALIKE_MARGIN).group_by("segment_id", "second_segment_id")
    spend = {segment_id: int(row["spend_cents"]) / int(row["users"]) for segment_id, row in by_id.items()}
    counts: dict[str, int] = {}
    for row in close.agg(users=nw.len()).collect().rows(named=True):
        own, second = row["segment_id"], row["second_segment_id"]
        if spend[own] < spend.get(second, 0.0):
            counts[second] = counts.get(second, 0) + int(row["users"])
    return counts


def _profile(
    segment: Segment, sums: dict[str, Any] | None, *, model: Model, users: int, all_cents: int
) -> dict[str, Any]:
    has_spend = sums is not None and int(sums["spend_null"]) < int(sums["users"])
    cents = int(sums["spend_cents"]) if sums else 0
    return {
        "segment_id": segment.segment_id,
        "segment_name": segment.name,
        "users": int(sums["users"]) if sums else 0,
        "share": int(sums["users"]) / users if sums else 0.0,
        **{name: _mean(sums, name) if sums else None for name in FEATURES},
        "total_spend": cents / 100 if has_spend else None,
        "spend_share": cents / all_cents if has_spend and all_cents else None,
        "strategy": segment.strategy,
        "name_fit": segment.name_fit if sums else 1.0,
        "k_confidence": model.choice.confidence,
        "model_version": model.version,
    }


def _mean(sums: dict[str, Any], name: str) -> float | None:
    known = int(sums["users"]) - int(sums[f"{name}_null"])
    billionths = int(sums[f"{name}_units"]) * _BILLION + int(sums[f"{name}_billionths"])
    return billionths / (known * _BILLION) if known else None
