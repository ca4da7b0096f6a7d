"""Moves between segments while users grow in number: the complete job on synthetic reviews, one table row per run.

    python -m benchmarks.stability_runs
    python -m benchmarks.stability_runs --users 5000 --runs 6 --promote 4 --set k=3

The reviews are those of generate_reviews.py in the shape of Amazon Reviews 2023, with items. Every run after the first
brings 1% more reviews of the day before, by existing and new users. A user is inactive in a run without new reviews of
theirs. The runs of --promote train a challenger. promote_inertia_gain is 0, because growth alone never gains 1%,
and promote_min_runs is 1, because promotions are closer than seven runs.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline import read_latest
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.storage.data_root import DataRoot
from benchmarks.generate_reviews import REVIEWS_PER_USER, Population, item_rows, review_rows

FIRST_RUN = datetime(2023, 9, 10, 2, tzinfo=UTC)
NEW_SHARE = 0.01
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class GrowthRun:
    """The moves of one run. `inactive` users had no new data; `moved_inactive` of them changed segment."""

    number: int
    decision: str
    model_version: str
    names: Mapping[str, str]
    users: int
    inactive: int
    moved_inactive: int
    moved: int
    seconds: float

    @property
    def moved_inactive_share(self) -> float:
        """Share of the inactive users who moved."""
        return self.moved_inactive / max(self.inactive, 1)


def runs(
    root: Path, *, users: int, count: int, settings: Mapping[str, Any], promoted: Sequence[int] = ()
) -> Iterator[GrowthRun]:
    """The runs 1 to `count` of about `users` users, with the data root `root`.

    The runs of `promoted` train a challenger. Raises RuntimeError if a run fails.
    """
    data_root = DataRoot(root)
    data_root.landing.mkdir(parents=True)
    population = Population(round(users * REVIEWS_PER_USER * (1 + NEW_SHARE) ** (count - 1)))
    pq.write_table(item_rows(population, 0, population.items), data_root.landing / "meta.parquet")
    before: pd.DataFrame | None = None
    for number, first, last in _rows_of_runs(population, count):
        written = _dated(review_rows(population, first, last), number)
        pq.write_table(written, data_root.landing / f"reviews_{number:02d}.parquet")
        began = time.monotonic()
        _run(data_root, settings=settings, number=number, train=number in promoted)
        seconds = time.monotonic() - began
        snapshot = read_latest(data_root.root)
        after = snapshot.segment_assignments().set_index("user_id")["segment_id"]
        active = set(written["user_id"].to_pylist())
        profiles = snapshot.segment_profiles()
        moved = inactive = moved_inactive = 0
        if before is not None:
            both = pd.concat([before, after], axis=1, keys=["before", "after"], join="inner")
            has_moved = (both["before"] != both["after"]).to_numpy(bool)
            is_inactive = ~both.index.isin(active)
            moved, inactive = int(has_moved.sum()), int(is_inactive.sum())
            moved_inactive = int((has_moved & is_inactive).sum())
        before = after
        yield GrowthRun(
            number=number,
            decision=snapshot.run()["promotion"]["decision"],
            model_version=snapshot.model_version,
            names=dict(zip(profiles["segment_id"], profiles["segment_name"], strict=True)),
            users=len(after),
            inactive=inactive,
            moved_inactive=moved_inactive,
            moved=moved,
            seconds=seconds,
        )


def _rows_of_runs(population: Population, count: int) -> Iterator[tuple[int, int, int]]:
    """Number, first row and end row of every run."""
    first, end = 0, population.rows / (1 + NEW_SHARE) ** (count - 1)
    for number in range(1, count + 1):
        yield number, first, round(end)
        first, end = round(end), end * (1 + NEW_SHARE)


def _dated(reviews: pa.Table, run_day: int) -> pa.Table:
    """The reviews of a run, dated on the day before it; those of the first run keep their dates."""
    if run_day == 1:
        return reviews
    day = int((FIRST_RUN + timedelta(days=run_day - 2)).timestamp()) * 1000 // _DAY_MS * _DAY_MS
    times = reviews["timestamp"].to_numpy() % _DAY_MS + day
    return reviews.set_column(reviews.column_names.index("timestamp"), "timestamp", pa.array(times.astype(np.int64)))


def _run(data_root: DataRoot, *, settings: Mapping[str, Any], number: int, train: bool) -> None:
    now = FIRST_RUN + timedelta(days=number - 1)
    config = {"root": str(data_root.root), "settings": dict(settings), "run_at": now.isoformat(), "train": train}
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("segment_users").execute_in_process(
            run_config=config,
            instance=instance,
            raise_on_error=False,
        )
    if not result.success:
        failed = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
        raise RuntimeError(f"run {number} failed: {failed}")


def main() -> None:
    """Prints the table as Markdown, row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=14)
    parser.add_argument("--promote", type=int, nargs="*", default=[5, 9, 13], metavar="RUN")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the runs")
    options = parser.parse_args()
    settings = {
        "plots": "off",
        "promote_inertia_gain": 0,
        "promote_min_runs": 1,
        **dict(text.split("=", 1) for text in options.set),
    }
    print("| run | decision | users | without new data | of them moved | share | moved in all | segments | seconds |")
    print("|---:|---|---:|---:|---:|---:|---:|---|---:|")
    with tempfile.TemporaryDirectory() as folder:
        simulated = runs(
            Path(folder) / "data",
            users=options.users,
            count=options.runs,
            settings=settings,
            promoted=options.promote,
        )
        names: Mapping[str, str] = {}
        for run in simulated:
            segments = "first" if not names else "kept" if run.names == names else "changed"
            names = run.names
            print(
                f"| {run.number} | {run.decision} | {run.users:,} | {run.inactive:,} | {run.moved_inactive:,} | "
                f"{run.moved_inactive_share:.3%} | {run.moved:,} | {len(names)}, {segments} | {run.seconds:.0f} |",
                flush=True,
            )
    print("\n" + ", ".join(f"{segment_id} {name}" for segment_id, name in names.items()))


if __name__ == "__main__":
    main()
