"""The state of a bucket of users: the outcome of its deduplication, and the features and sums of each of its users.

A state is a part named by the batches it covers. It is built from all rows of the bucket, or from an earlier state and
the batches that were added or removed since, with the same result. An update adds new reviews to the sums and subtracts
the reviews that they replace as duplicates. Where sums cannot be updated, a user is aggregated from all reviews again:
users of removed batches, users with reviews dated after as_of, and users who lost the time of a review.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import narwhals as nw

from amzseg_pipeline.contracts.users import USER_FEATURES
from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.parquet.partitions import is_complete, part_name, write_part
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.partitioning import BatchPart
from amzseg_pipeline.storage.warehouse.user_sums import SUM_COLUMNS, merged_sums, sums_of_measures, with_active_months

STATES_FOLDER = "bucket_states"
DEDUPLICATED_FILE = "deduplicated.parquet"
FEATURES_FILE = "user_features.parquet"
"""Has the columns of USER_FEATURES, and the other columns of merged_sums."""

_SUMMARY_FILE = "summary.json"
_MAX_CHANGED_SHARE = 0.3
"""If more than this share of the bucket's rows changed, building from all rows is cheaper."""


@dataclass(frozen=True)
class Bucket:
    """A bucket with `rows` reviews; `state` names its part."""

    number: int
    rows: int
    state: str


@dataclass(frozen=True)
class _Base:
    """An earlier state, and how its batches differ from those that are wanted."""

    state: Path
    kept: tuple[BatchPart, ...]
    added: tuple[BatchPart, ...]
    removed: tuple[BatchPart, ...]


def bucket_of(number: int, batches: Sequence[BatchPart], build: BuildContext, *, as_of: date) -> tuple[Bucket, bool]:
    """The bucket with the rows of these batches, and whether its state is newly built.

    Args:
        number: The number of the bucket.
        batches: The batches with rows in the bucket.
        build: The context of the run.
        as_of: The date up to which ages are counted.
    """
    inputs = [build.code_version, build.settings.deduplication, users.reference_day(as_of)]
    name = part_name(f"{number:04d}", sorted(batch.path.name for batch in batches), *inputs, as_of.isoformat())
    state = build.warehouse / STATES_FOLDER / name

    def write(folder: Path) -> None:
        base = _base(number, batches, inputs, state.parent)
        with build.engine.cache_scope():
            if base is None:
                _write_from_rows(_valid(build.engine, number, batches), build, folder, as_of=as_of)
            else:
                _write_from_base(base, number, build, folder, as_of=as_of)
            features = build.engine.scan([folder / FEATURES_FILE])
            rows = features.select(nw.col("total_reviews").sum()).collect("pyarrow").item()
        summary = {
            "batches": [batch.path.name for batch in batches],
            "inputs": inputs,
            "base": base and base.state.name,
            "rows": int(rows or 0),
        }
        (folder / _SUMMARY_FILE).write_text(json.dumps(summary), encoding="utf-8")

    is_new = write_part(state, write)
    return Bucket(number, json.loads(content_of(state / _SUMMARY_FILE))["rows"], name), is_new


def _base(number: int, batches: Sequence[BatchPart], inputs: Sequence[Any], states: Path) -> _Base | None:
    """The complete state that differs from `batches` in the fewest rows; None if too many differ."""
    wanted = {batch.path.name: batch for batch in batches}
    best, fewest = None, int(_MAX_CHANGED_SHARE * sum(_rows(batch, number) for batch in batches))
    for state in sorted(states.glob(f"{number:04d}-*")) if states.exists() else []:
        summary = _summary(state)
        if summary is None or summary["inputs"] != list(inputs) or not set(summary["batches"]) & set(wanted):
            continue
        in_state = {name: wanted.get(name, BatchPart(batches[0].path.with_name(name))) for name in summary["batches"]}
        removed = tuple(part for name, part in in_state.items() if name not in wanted)
        if not all(is_complete(part.path) for part in removed):
            continue  # the users of a removed batch are found in its rows
        added = tuple(part for name, part in wanted.items() if name not in in_state)
        rows = sum(_rows(part, number) for part in (*removed, *added))
        if rows <= fewest:
            kept = tuple(part for name, part in wanted.items() if name in in_state)
            best, fewest = _Base(state, kept, added, removed), rows
    return best


def _summary(state: Path) -> Mapping[str, Any] | None:
    if not is_complete(state):
        return None
    summary: Mapping[str, Any] = json.loads(content_of(state / _SUMMARY_FILE))
    return summary


def _write_from_rows(valid: nw.LazyFrame, build: BuildContext, folder: Path, *, as_of: date) -> None:
    engine = build.engine
    engine.write(_deduplicated(valid, build), folder / DEDUPLICATED_FILE)
    cleaned = reviews.unique_reviews(valid, engine.scan([folder / DEDUPLICATED_FILE]))
    _write_features(merged_sums(_sums(cleaned, engine, as_of=as_of), engine), engine, folder, as_of=as_of)


def _write_from_base(base: _Base, number: int, build: BuildContext, folder: Path, *, as_of: date) -> None:
    """Writes the state of the kept and the added batches.

    Args:
        base: The earlier state.
        number: The number of the bucket.
        build: The context of the run.
        folder: The folder to write to.
        as_of: The date up to which ages are counted.
    """
    engine = build.engine
    kept = _valid(engine, number, base.kept)
    added, removed = (_valid(engine, number, batches, like=kept) for batches in (base.added, base.removed))
    features = engine.scan([base.state / FEATURES_FILE])
    deduplicated = engine.scan([base.state / DEDUPLICATED_FILE])

    # The earlier rows that share a key with new rows, and the reviews of these keys before and after the update.
    needs_search = bool(base.added) and build.settings.deduplication == "on"
    known = engine.cached(reviews.with_keys_of(kept, added) if needs_search else _empty_like(kept))
    new_rows = nw.concat([known, added])
    new_deduplicated = engine.cached(_deduplicated(new_rows, build))
    deduplicated_before, deduplicated_elsewhere = reviews.split_by_keys_of(deduplicated, known)
    before = engine.cached(reviews.unique_reviews(known, deduplicated_before))
    after = reviews.unique_reviews(new_rows, new_deduplicated)

    # Users who lost the time of a review: sums can be subtracted, but first time, last time and months cannot.
    times = ["user_id", "reviewed_at_ms"]
    lost_time = before.filter(~nw.col("reviewed_at_ms").is_null()).join(after.select(times), on=times, how="anti")
    on_date = features.filter(users.depends_on_date(as_of=as_of))
    reaggregated = engine.cached(nw.concat([f.select("user_hash") for f in (removed, on_date, lost_time)]).unique())
    others = partial(nw.LazyFrame.join, other=reaggregated, on="user_hash", how="anti")
    rows = _empty_like(kept)
    if reaggregated.select(nw.len()).collect("pyarrow").item():
        rows = engine.cached(nw.concat([kept, added]).join(reaggregated, on="user_hash", how="semi"))
    reaggregated_deduplicated = engine.cached(_deduplicated(rows, build))

    parts = [others(deduplicated_elsewhere), others(new_deduplicated), reaggregated_deduplicated]
    engine.write(nw.concat(parts), folder / DEDUPLICATED_FILE)
    touched = engine.cached(nw.concat([added.select("user_hash"), reaggregated]).unique())
    sums = features.select(*SUM_COLUMNS)
    merged = merged_sums(
        nw.concat(
            [
                others(sums).join(touched, on="user_hash", how="semi"),
                _sums(others(after), engine, as_of=as_of),
                _sums(others(before), engine, as_of=as_of, sign=-1),
                _sums(reviews.unique_reviews(rows, reaggregated_deduplicated), engine, as_of=as_of),
            ]
        ),
        engine,
    )
    untouched = sums.join(touched, on="user_hash", how="anti")
    _write_features(nw.concat([untouched, merged.select(*SUM_COLUMNS)]), engine, folder, as_of=as_of)


def _write_features(sums: nw.LazyFrame, engine: Engine, folder: Path, *, as_of: date) -> None:
    kept = [name for name in SUM_COLUMNS if name not in USER_FEATURES.column_names]
    features = users.user_features_from_sums(
        with_active_months(sums, engine), as_of=as_of, reference=users.reference_day(as_of), kept=kept
    )
    engine.write(features, folder / FEATURES_FILE)


def _deduplicated(valid: nw.LazyFrame, build: BuildContext) -> nw.LazyFrame:
    search = build.settings.deduplication == "on"
    return reviews.deduplicated(valid) if search else reviews.no_deduplicated_reviews(valid)


def _valid(
    engine: Engine, number: int, batches: Sequence[BatchPart], *, like: nw.LazyFrame | None = None
) -> nw.LazyFrame:
    """The valid rows of the batches in a bucket; if there are no files, an empty frame with the columns of `like`."""
    files = [path for batch in batches for path in batch.valid_files(number)]
    return _empty_like(like) if like is not None and not files else engine.scan(files)


def _empty_like(rows: nw.LazyFrame) -> nw.LazyFrame:
    return rows.filter(nw.col("user_hash") < 0)


def _sums(cleaned: nw.LazyFrame, engine: Engine, *, as_of: date, sign: int = 1) -> nw.LazyFrame:
    measures = users.review_measures(cleaned, reference=users.reference_day(as_of), as_of=as_of)
    return sums_of_measures(measures, engine, sign=sign).select(*SUM_COLUMNS)


def _rows(batch: BatchPart, number: int) -> int:
    return sum(batch.valid_files(number).values())
