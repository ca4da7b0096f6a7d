"""The state of a bucket of users: its deduplicated reviews, and the sums of each of its users.

A state is a part named by the batches it covers. It is built from all rows of the bucket, or from an earlier state and
the batches that were added or removed since, with the same result: sums of users without changed duplicates are merged,
other users are aggregated from their reviews.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import narwhals as nw

from amzseg_pipeline.steps import reviews, users
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.parquet.partitions import is_complete, part_name, write_part
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.partitioning import BatchPart
from amzseg_pipeline.storage.warehouse.user_sums import merged_sums, sums_of_measures

STATES_FOLDER = "bucket_states"
DEDUPLICATED_FILE = "deduplicated.parquet"
SUMS_FILE = "user_sums.parquet"
_SUMMARY_FILE = "summary.json"
_MAX_CHANGED_SHARE = 0.3
"""With more changed rows than this share of the bucket, building from all rows costs less."""


@dataclass(frozen=True)
class Bucket:
    """A bucket with `rows` reviews, the newest of them at `newest_reviewed_at_ms`; `state` names its part."""

    number: int
    rows: int
    newest_reviewed_at_ms: int | None
    state: str


def bucket_of(number: int, batches: Sequence[BatchPart], build: BuildContext, *, reference: int) -> tuple[Bucket, bool]:
    """The bucket with the rows of these batches, and whether its state was built now.

    Args:
        number: The number of the bucket.
        batches: The batches with rows in the bucket.
        build: The context of the run.
        reference: The day that stored weights refer to (steps.users.reference_day).
    """
    settings = [build.code_version, build.settings.deduplication, reference]
    name = part_name(f"{number:04d}", sorted(batch.path.name for batch in batches), *settings)
    folder = build.warehouse / STATES_FOLDER
    is_new = write_part(folder / name, partial(_write_state, number, batches, settings, build, folder))
    summary = json.loads(content_of(folder / name / _SUMMARY_FILE))
    return Bucket(number, summary["rows"], summary["newest_reviewed_at_ms"], name), is_new


def _write_state(
    number: int,
    batches: Sequence[BatchPart],
    settings: Sequence[Any],
    build: BuildContext,
    states: Path,
    folder: Path,
) -> None:
    """Writes the files of a state to `folder`.

    Args:
        number: The number of the bucket.
        batches: The batches with rows in the bucket.
        settings: What else determines a state; JSON values.
        build: The context of the run.
        states: The folder with earlier states.
        folder: The folder to write to.
    """
    engine = build.engine
    base = _base_state(number, batches, settings, states)
    with engine.cache_scope():
        if base is None:
            _build_from_rows(_valid(engine, number, batches), build, folder, reference=settings[-1])
        else:
            _build_from_base(base, number, batches, build, folder, reference=settings[-1])
        sums = engine.scan([folder / SUMS_FILE])
        totals = sums.select(rows=nw.col("total_reviews").sum(), newest=nw.col("last_reviewed_at_ms").max())
        (total,) = totals.collect("pyarrow").rows(named=True)
    summary = {
        "batches": [batch.path.name for batch in batches],
        "settings": settings,
        "base": base[0].name if base else None,
        "rows": int(total["rows"] or 0),
        "newest_reviewed_at_ms": total["newest"],
    }
    (folder / _SUMMARY_FILE).write_text(json.dumps(summary), encoding="utf-8")


def _base_state(
    number: int, batches: Sequence[BatchPart], settings: Sequence[Any], states: Path
) -> tuple[Path, list[BatchPart]] | None:
    """The complete state that differs from `batches` in the fewest rows, with its batches; None if too many differ."""
    wanted = {batch.path.name: batch for batch in batches}
    bucket_rows = sum(_rows(batch, number) for batch in batches)
    best, fewest = None, int(_MAX_CHANGED_SHARE * bucket_rows)
    for state in sorted(states.glob(f"{number:04d}-*")) if states.exists() else []:
        summary = _summary(state)
        if summary is None or summary["settings"] != list(settings):
            continue
        parts = [wanted.get(name, BatchPart(batches[0].path.with_name(name))) for name in summary["batches"]]
        if not all(is_complete(part.path) for part in parts if part.path.name not in wanted):
            continue  # the rows of a removed batch are needed
        if not set(summary["batches"]) & set(wanted):
            continue
        changed = set(summary["batches"]) ^ set(wanted)
        rows = sum(_rows(part, number) for part in [*parts, *batches] if part.path.name in changed)
        if rows <= fewest:
            best, fewest = (state, parts), rows
    return best


def _summary(state: Path) -> Mapping[str, Any] | None:
    if not is_complete(state):
        return None
    try:
        summary: Mapping[str, Any] = json.loads(content_of(state / _SUMMARY_FILE))
        return summary
    except (OSError, ValueError):
        return None


def _build_from_rows(valid: nw.LazyFrame, build: BuildContext, folder: Path, *, reference: int) -> None:
    engine = build.engine
    search = build.settings.deduplication == "on"
    rows = reviews.deduplicated(valid) if search else reviews.no_deduplicated_reviews(valid)
    engine.write(rows, folder / DEDUPLICATED_FILE)
    cleaned = reviews.unique_reviews(valid, engine.scan([folder / DEDUPLICATED_FILE]))
    engine.write(_merged(_sums(cleaned, engine, reference), engine=engine), folder / SUMS_FILE)


def _build_from_base(
    base: tuple[Path, list[BatchPart]],
    number: int,
    batches: Sequence[BatchPart],
    build: BuildContext,
    folder: Path,
    *,
    reference: int,
) -> None:
    """Builds the state of `batches` from the state `base` and the rows that differ.

    Args:
        base: An earlier state and its batches.
        number: The number of the bucket.
        batches: The batches with rows in the bucket.
        build: The context of the run.
        folder: The folder to write to.
        reference: The day that stored weights refer to.
    """
    engine = build.engine
    state, before = base
    names, names_before = ({batch.path.name for batch in group} for group in (batches, before))
    kept = _valid(engine, number, [batch for batch in batches if batch.path.name in names_before])
    added = _valid(engine, number, [batch for batch in batches if batch.path.name not in names_before], like=kept)
    removed = _valid(engine, number, [batch for batch in before if batch.path.name not in names], like=kept)
    deduplicated = engine.scan([state / DEDUPLICATED_FILE])
    if build.settings.deduplication == "on":
        changes = reviews.changed_keys(kept=kept, added=added, removed=removed, deduplicated=deduplicated)
    else:
        changes = reviews.no_changed_keys(kept)
    keys = engine.cached(changes)
    recounted = engine.cached(nw.concat([keys.select("user_hash"), removed.select("user_hash")]).unique())
    rows = engine.cached(nw.concat([kept, added]).join(recounted, on="user_hash", how="semi"))
    engine.write(reviews.updated_deduplicated(deduplicated, keys=keys, rows=rows), folder / DEDUPLICATED_FILE)
    cleaned = reviews.unique_reviews(
        rows, engine.scan([folder / DEDUPLICATED_FILE]).join(recounted, on="user_hash", how="semi")
    )
    unchanged = engine.scan([state / SUMS_FILE]).join(recounted, on="user_hash", how="anti")
    new = added.join(recounted, on="user_hash", how="anti")
    merged = _merged(unchanged, _sums(new, engine, reference), _sums(cleaned, engine, reference), engine=engine)
    engine.write(merged, folder / SUMS_FILE)


def _valid(
    engine: Engine, number: int, batches: Sequence[BatchPart], *, like: nw.LazyFrame | None = None
) -> nw.LazyFrame:
    """The valid rows of batches in a bucket; without any, no rows with the columns of `like`."""
    files = [path for batch in batches for path in batch.valid_files(number)]
    if not files and like is not None:
        return like.filter(nw.col("user_hash") < 0)
    return engine.scan(files)


def _sums(rows: nw.LazyFrame, engine: Engine, reference: int) -> nw.LazyFrame:
    return sums_of_measures(users.review_measures(rows, reference=reference), engine)


def _merged(*sums: nw.LazyFrame, engine: Engine) -> nw.LazyFrame:
    return merged_sums(nw.concat([frame.select(sums[0].collect_schema().names()) for frame in sums]), engine)


def _rows(batch: BatchPart, number: int) -> int:
    return sum(batch.valid_files(number).values())
