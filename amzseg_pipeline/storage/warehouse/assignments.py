"""segment_assignments and segment_profiles, computed by a task for each part of user_features."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import narwhals as nw
import pandas as pd

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage.engines import HASH_BITS, Engine, bucket_folder
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.parquet.partitions import TableParts, part_name, rows_by_file, write_part
from amzseg_pipeline.storage.parquet.tables import write_frames
from amzseg_pipeline.storage.parquet.user_hash import DUCKDB_USER_HASH
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.progress import Progress
from amzseg_pipeline.storage.warehouse.tasks import task_results

ASSIGNMENTS_FOLDER = "segment_assignments"
_PREVIOUS_FOLDER = "previous_assignments"
_FILE = "part.parquet"
_CHUNK_ROWS = 200_000


@dataclass(frozen=True)
class Scoring:
    """How users are scored: the model, the model and the published assignments of the previous run, and the dates."""

    model: Model
    champion: Model | None
    previous: Path | None
    as_of: date
    run_date: date


@dataclass(frozen=True)
class _Previous:
    """The previous assignments: none, a file, or a part with `buckets` buckets of users."""

    path: Path | None
    buckets: int = 1

    def of_users(self, features: nw.LazyFrame, engine: Engine) -> nw.LazyFrame | None:
        """A frame with all of these users who were assigned before, and others."""
        if self.path is None or self.buckets == 1:
            return None if self.path is None else engine.scan([self.path])
        hashes = nw.col("user_hash").cast(nw.Int64)
        ends = features.select(first=hashes.min(), last=hashes.max()).collect("pyarrow").rows(named=True)[0]
        if ends["first"] is None:
            return None
        first, last = (ends[end] * self.buckets >> HASH_BITS for end in ("first", "last"))
        folders = {bucket_folder(Path(), number).name for number in range(first, last + 1)}
        files = [self.path / name for name in rows_by_file(self.path) if Path(name).parent.name in folders]
        return engine.scan(files) if files else None


def segment_assignments(users: TableParts, scoring: Scoring, build: BuildContext) -> TableParts:
    """The assignments of the users in each part of user_features, in any order."""
    folder = build.warehouse / ASSIGNMENTS_FOLDER
    champion = scoring.champion and scoring.champion.version
    dates = [scoring.as_of.isoformat(), scoring.run_date.isoformat()]
    inputs = [build.code_version, scoring.model.version, champion, str(scoring.previous), *dates]
    names = tuple(part_name(name.partition("-")[0], name, *inputs) for name in users.names)
    rows = [rows_by_file(part)[users.file] for part in users.parts]
    progress = Progress("scoring", total=sum(rows), log=build.log)
    with _previous_assignments(scoring.previous, build, parts=len(names)) as previous:
        tasks = [
            partial(_score, path, folder / name, scoring, previous)
            for path, name in zip(users.paths, names, strict=True)
        ]
        for position, is_new in task_results(tasks, build):
            progress.add(rows[position], reused=not is_new)
    return TableParts(folder, names, rows=sum(rows), file=_FILE)


def segment_profiles(assignments: TableParts, model: Model, build: BuildContext) -> pd.DataFrame:
    """contracts.SEGMENT_PROFILES of the users in all parts."""
    tasks = [partial(_counts, path) for path in assignments.paths]
    return segments.segment_profiles([counts for _, counts in task_results(tasks, build)], model)


def _score(users: Path, part: Path, scoring: Scoring, previous: _Previous, build: BuildContext) -> bool:
    engine = build.engine
    features = engine.scan([users])
    users_with_previous = segments.with_previous_segments(features, previous.of_users(features, engine))

    def write(folder: Path) -> None:
        chunks = (
            segments.assigned_users(
                chunk,
                scoring.model,
                champion=scoring.champion,
                as_of=scoring.as_of,
                run_date=scoring.run_date,
            )
            for chunk in engine.pandas_chunks(users_with_previous, chunk_rows=_CHUNK_ROWS)
        )
        write_frames(chunks, SEGMENT_ASSIGNMENTS, folder / _FILE)

    return write_part(part, write)


def _counts(path: Path, build: BuildContext) -> segments.ProfileCounts:
    return segments.profile_counts(build.engine.scan([path]))


@contextmanager
def _previous_assignments(published: Path | None, build: BuildContext, *, parts: int) -> Iterator[_Previous]:
    """The published table, or, as every part would read all of it, the table in buckets until the block ends."""
    if published is None or parts <= 1:
        yield _Previous(published)
        return
    buckets = 1 << (parts - 1).bit_length()
    folder = build.warehouse / _PREVIOUS_FOLDER
    part = folder / part_name("previous", str(published), buckets, build.code_version)

    def write(folder: Path) -> None:
        columns = {name: name for name in segments.CARRIED_COLUMNS}
        hashed = {"batch": "''", "user_hash": DUCKDB_USER_HASH.format(user_id="user_id")}
        rows = build.engine.projected(build.engine.scan([published]), columns | hashed)
        build.engine.write_buckets(rows, folder, buckets=buckets)

    try:
        write_part(part, write)
        yield _Previous(part, buckets)
    finally:
        delete(folder)
