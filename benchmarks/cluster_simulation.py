"""How long a run takes on many workers: measured tasks, scheduled by simulation.

    python -m benchmarks.cluster_simulation measure --exports /big/scale/10000000_parquet/landing --out times.json
    python -m benchmarks.cluster_simulation table times.json

`measure` runs every task in this process, with one thread, and records CPU seconds and bytes. `table` scales them to
other numbers of reviews and schedules them on workers of one core each, as Dask does: the next task goes to the first
idle worker. A task first reads, then computes, then writes; workers share the bandwidth of the store.
"""

import argparse
import heapq
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.engines.open_engine import opened_engine
from amzseg_pipeline.storage.parquet.partitions import bytes_in
from amzseg_pipeline.storage.warehouse import assignments, cleaned_reviews, partitioning
from amzseg_pipeline.storage.warehouse.build_context import BuildContext
from amzseg_pipeline.storage.warehouse.items import item_tables
from amzseg_pipeline.storage.warehouse.partitioning import bucket_count
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types

REVIEWS = (571_540_000, 10_000_000_000)
WORKERS = (4, 8, 16, 32, 64)
STORE_MB_PER_SECOND = (500, 2_000, 10_000)
WORKER_MB_PER_SECOND = 100

ITEMS_PER_REVIEW = 1 / 11.9
REVIEWS_PER_EXPORT = 17_320_000
DRIVER_SECONDS = 30.0
DRIVER_SECONDS_PER_MILLION = 0.65
"""Items, checks, drift, migrations and publishing: 400 of the 1,628 s at 571.54 million reviews (docs/scale.md)."""

_ITEM_IN_REVIEWS = 5 / 8.5
"""A pass over new batches hashes all items, each at the cost of so many reviews (partitioning._GROUP_ROWS)."""


@dataclass(frozen=True)
class Stage:
    """The cost of the tasks of a stage per review."""

    name: str
    tasks: int
    cpu_seconds: float
    read_bytes: int
    written_bytes: int


@dataclass(frozen=True)
class Task:
    """A task: seconds of one core, and bytes through the store."""

    cpu_seconds: float
    transferred_bytes: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a subcommand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("measure")
    measure.add_argument("--exports", type=Path, required=True)
    measure.add_argument("--out", type=Path, required=True)
    measure.add_argument("--bucket-rows", type=int, default=1_250_000)
    measure.set_defaults(function=lambda given: measured(given.exports, given.out, bucket_rows=given.bucket_rows))
    table = commands.add_parser("table")
    table.add_argument("times", type=Path)
    table.set_defaults(function=lambda given: print("\n".join(table_lines(json.loads(given.times.read_bytes())))))
    given = parser.parse_args(arguments)
    given.function(given)


def measured(exports: Path, out: Path, *, bucket_rows: int) -> None:
    """Writes the cost of each stage on these exports to the JSON file `out`."""
    seconds: list[float] = []

    def timed(tasks: Iterable[Callable[[BuildContext], Any]], build: BuildContext) -> Iterator[tuple[int, Any]]:
        for position, task in enumerate(tasks):
            start = time.process_time()
            result = task(build)
            seconds.append(time.process_time() - start)
            yield position, result

    def stage(name: str, *, read: int, written: int) -> Stage:
        if not seconds:
            raise RuntimeError(f"{name}: no task was measured")
        found = Stage(name, len(seconds), sum(seconds), read, written)
        print(f"{found}, CPU seconds of each task: {[round(each, 2) for each in seconds]}", flush=True)
        seconds.clear()
        return found

    with ExitStack() as stack:
        for module in (partitioning, cleaned_reviews, assignments):
            stack.enter_context(patch.object(module, "task_results", timed))
        folder = stack.enter_context(TemporaryDirectory(dir=out.parent))
        data_root = DataRoot(Path(folder))
        data_root.landing.mkdir()
        for path in exports.iterdir():
            (data_root.landing / path.name).hardlink_to(path)
        settings = Settings(threads=1, memory_limit_mib=4096, bucket_rows=bucket_rows)
        engine = opened_engine(data_root, settings)
        build = BuildContext(engine, data_root.warehouse, "1", settings, log=print)
        run = partial(_calls, timed=timed, build=build)
        raw = landing.raw_reviews(data_root, settings, now=time.time(), skip_settling=False, run=run)
        exported = sum(batch.size_bytes for batch in raw.batches)
        stages = [stage("reading", read=exported, written=0)]
        items, _ = item_tables(raw, build)
        partitioned = partitioning.partitioned_reviews(raw, partial(Engine.scan, paths=items.paths), build)
        written = bytes_in(batch.path for batch in partitioned.batches)
        stages.append(stage("partitioning", read=exported + bytes_in(items.parts), written=written))
        cleaned = cleaned_reviews.deduplicated_reviews(partitioned, build, as_of=date(2026, 1, 1))
        users = cleaned_reviews.user_features(cleaned)
        stages.append(stage("aggregating", read=written, written=bytes_in(users.parts)))
        model = model_of(three_types(3_000), k=4)
        scoring = assignments.Scoring(model, None, None, date(2026, 1, 1), date(2026, 1, 1))
        assigned = assignments.segment_assignments(users, scoring, build)
        assignments.segment_profiles(assigned, model, build)
        stages.append(stage("scoring", read=bytes_in(users.parts), written=bytes_in(assigned.parts)))
        engine.close()
    rows, item_rows = raw.rows, raw.item_rows
    out.write_text(
        json.dumps({"rows": rows, "items": item_rows, "stages": [asdict(each) for each in stages]}, indent=1)
    )


def _calls(
    functions: Sequence[Callable[[Settings], Any]], *, timed: Any, build: BuildContext
) -> Iterator[tuple[int, Any]]:
    return timed([partial(_call, function) for function in functions], build)


def _call(function: Callable[[Settings], Any], build: BuildContext) -> Any:
    return function(build.settings)


def tasks_of(stage: dict[str, Any], measured_rows: int, measured_items: int, *, reviews: int) -> list[Task]:
    """The tasks of a stage for so many reviews."""
    items = reviews * ITEMS_PER_REVIEW
    exports = ceil(reviews / REVIEWS_PER_EXPORT)
    per_export = reviews / exports
    cost, moved = stage["cpu_seconds"], (stage["read_bytes"] + stage["written_bytes"]) / measured_rows
    if stage["name"] == "reading":
        return [Task(cost / measured_rows * per_export, moved * per_export)] * exports
    if stage["name"] == "partitioning":
        in_a_group = max(1, int(max(2**21, items) // per_export))
        groups = ceil(exports / in_a_group)
        rows = reviews / groups
        per_row = cost / (measured_rows + _ITEM_IN_REVIEWS * measured_items * stage["tasks"])
        return [Task(per_row * (rows + _ITEM_IN_REVIEWS * items), moved * rows)] * groups
    buckets = bucket_count(reviews, bucket_rows=8_000_000)
    rows = reviews / buckets
    return [Task(cost / measured_rows * rows, moved * rows)] * buckets


def wall_seconds(tasks: Sequence[Task], *, workers: int, store_mb: float) -> float:
    """The time until all tasks have ended, each started on the first idle worker."""
    rate = min(WORKER_MB_PER_SECOND, store_mb / min(workers, len(tasks))) * 1e6
    idle_at = [0.0] * workers
    for task in tasks:
        start = heapq.heappop(idle_at)
        heapq.heappush(idle_at, start + task.cpu_seconds + task.transferred_bytes / rate)
    return max(idle_at)


def table_lines(times: dict[str, Any]) -> list[str]:
    """Markdown tables: seconds of a run by bandwidth and workers, and of each stage at the second bandwidth."""
    counts = " | ".join(f"{workers} workers" for workers in WORKERS)
    lines = [f"| reviews | store | {counts} |", f"| ---: | ---: |{' ---: |' * len(WORKERS)}"]
    for reviews in REVIEWS:
        for store_mb in STORE_MB_PER_SECOND:
            runs = [_seconds(times, reviews, workers=workers, store_mb=store_mb) for workers in WORKERS]
            totals = " | ".join(f"{sum(run.values()):,.0f}" for run in runs)
            lines.append(f"| {reviews:,} | {store_mb / 1000:g} GB/s | {totals} |")
    lines += ["", f"| reviews | stage | {counts} |", f"| ---: | --- |{' ---: |' * len(WORKERS)}"]
    for reviews in REVIEWS:
        runs = [_seconds(times, reviews, workers=workers, store_mb=STORE_MB_PER_SECOND[1]) for workers in WORKERS]
        for name in runs[0]:
            lines.append(f"| {reviews:,} | {name} | {' | '.join(f'{run[name]:,.0f}' for run in runs)} |")
    return lines


def _seconds(times: dict[str, Any], reviews: int, *, workers: int, store_mb: float) -> dict[str, float]:
    stages = {
        stage["name"]: wall_seconds(
            tasks_of(stage, times["rows"], times["items"], reviews=reviews), workers=workers, store_mb=store_mb
        )
        for stage in times["stages"]
    }
    return stages | {"in the run's process": DRIVER_SECONDS + DRIVER_SECONDS_PER_MILLION * reviews / 1e6}


if __name__ == "__main__":
    main()
