"""Migrations: the previous segment of every user, the cause of each move, and counts per move."""

from datetime import date
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from amzseg_pipeline.contracts.history import NO_SEGMENT, SEGMENT_MIGRATIONS, Cause
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.steps.segments.model.contract_frame import contract_frame
from amzseg_pipeline.steps.segments.model.scoring import scored_users, segments_of

_SCORED = (*FEATURES, *(column.name for column in SCORING_COLUMNS))
_CARRIED = ("segment_id", "segment_name", "segment_since", *_SCORED)
_BEFORE = "before_"

CARRIED_COLUMNS = ("user_id", *_CARRIED)
"""The columns of the previous assignments that with_previous_segments needs."""


def with_previous_segments(
    user_features: nw.LazyFrame[Any], assignments_before: nw.LazyFrame[Any] | None
) -> nw.LazyFrame[Any]:
    """`user_features` joined with the previous assignments as `before_*`; null for users who are not in them."""
    if assignments_before is None:
        return user_features
    before = assignments_before.select("user_id", *(nw.col(name).alias(f"{_BEFORE}{name}") for name in _CARRIED))
    return user_features.join(before, on="user_id", how="left")


def assigned_users(
    users: pd.DataFrame, model: Model, *, champion: Model | None, as_of: date, run_date: date
) -> pd.DataFrame:
    """contracts.SEGMENT_ASSIGNMENTS of `users` (with_previous_segments), with previous segments and causes.

    A user moved by "behaviour" if the champion assigns the new features to another segment, by "model" if `model`
    assigns the old features to another segment, and by "both" if both or neither does; behaviour with the same number
    of reviews is "data". Only movers are scored again.

    Args:
        users: A batch of users.
        model: The model that scores this run.
        champion: The model of the previous run, None in the first run.
        as_of: Date of the newest data.
        run_date: Date of the run, which becomes segment_since of new users and movers.
    """
    scored = scored_users(users, model, as_of=as_of)
    previous = _before(users, "segment_id", pa.string())
    is_new = pc.is_null(previous)
    moved = pc.fill_null(pc.not_equal(previous, pa.array(scored["segment_id"])), False)
    cause = np.full(len(users), None, dtype=object)
    cause[is_new.to_numpy(zero_copy_only=False)] = Cause.NEW_USER.value
    movers = moved.to_numpy(zero_copy_only=False)
    if champion is not None and movers.any():
        cause[movers] = _causes(users[movers], model=model, champion=champion)
    since = _before(users, "segment_since", pa.date32())
    filled = {
        "previous_segment_id": previous,
        "previous_segment_name": _before(users, "segment_name", pa.string()),
        "segment_since": pc.if_else(pc.or_(is_new, moved), pa.scalar(run_date, pa.date32()), since),
        "change_cause": pa.array(cause, pa.string()),
    }
    return scored.assign(**{name: pd.arrays.ArrowExtensionArray(values) for name, values in filled.items()})


def segment_migrations(assignments: nw.LazyFrame[Any], assignments_before: nw.LazyFrame[Any] | None) -> pd.DataFrame:
    """contracts.SEGMENT_MIGRATIONS, counted by the engine; users who are only in the previous snapshot have left."""
    counted = assignments.group_by(
        "previous_segment_id", "previous_segment_name", "segment_id", "segment_name", "change_cause"
    ).agg(users=nw.len())
    moves = [tuple(row.values()) for row in counted.collect("pyarrow").rows(named=True)]
    if assignments_before is not None:
        gone = assignments_before.join(assignments.select("user_id"), on="user_id", how="anti")
        left = gone.group_by("segment_id", "segment_name").agg(users=nw.len()).collect("pyarrow").rows(named=True)
        moves += [(row["segment_id"], row["segment_name"], None, None, Cause.LEFT.value, row["users"]) for row in left]
    rows = pd.DataFrame(
        moves, columns=["from_segment_id", "from_segment_name", "to_segment_id", "to_segment_name", "cause", "users"]
    )
    rows["cause"] = rows["cause"].fillna(Cause.STAYED.value)
    rows = rows.fillna(NO_SEGMENT).sort_values(list(SEGMENT_MIGRATIONS.key), ignore_index=True)
    rows["share"] = rows["users"] / rows.groupby("from_segment_id")["users"].transform("sum")
    return contract_frame(SEGMENT_MIGRATIONS, {name: rows[name] for name in SEGMENT_MIGRATIONS.column_names})


def moved_by_model(assignments: nw.LazyFrame[Any]) -> int:
    """Users moved by the model, alone or together with their behaviour."""
    by_model = nw.col("change_cause").is_in([Cause.MODEL.value, Cause.BOTH.value])
    return int(assignments.filter(by_model).select(moved=nw.len()).collect("pyarrow").rows(named=True)[0]["moved"])


def _before(users: pd.DataFrame, name: str, dtype: pa.DataType) -> pa.Array:
    column = users.get(f"{_BEFORE}{name}")
    return pa.nulls(len(users), dtype) if column is None else pa.array(column, from_pandas=True).cast(dtype)


def _causes(movers: pd.DataFrame, *, model: Model, champion: Model) -> Any:
    previous = movers[f"{_BEFORE}segment_id"].to_numpy(object)
    by_model = segments_of(_old_features(movers), model) != previous
    # With an unchanged model every mover moved by behaviour: scoring again would repeat the result.
    by_behaviour = (
        np.ones(len(movers), bool) if champion.version == model.version else segments_of(movers, champion) != previous
    )
    causes = np.full(len(movers), Cause.BOTH.value, dtype=object)
    causes[by_behaviour & ~by_model] = Cause.BEHAVIOUR.value
    reviews, earlier = (movers[name].to_numpy(np.float64) for name in ("total_reviews", f"{_BEFORE}total_reviews"))
    causes[by_behaviour & ~by_model & (reviews == earlier)] = Cause.DATA.value
    causes[by_model & ~by_behaviour] = Cause.MODEL.value
    return causes


def _old_features(users: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: users[f"{_BEFORE}{name}"] for name in _SCORED})
