"""Nights in a test: what the schedule answers, and exports old enough to be read by it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.schedules import landing_sensor, nightly
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.exports import canonical_csv, sales_csv

EXPORT = sales_csv([{}] * 12)
OTHER = sales_csv([{"user_id": "A,B"}, {"user_id": "A,C"}, {"user_id": "D,B"}])
MORE = sales_csv([{"user_id": "X,Y"}, {"user_id": "X,Z"}])


def people(count: int, *, first: int = 1, day: int = 1, listed: int = 1000, dearer: int = 1) -> bytes:
    """Reviews of the users P<first> onward, written that day of January: loyal ones, bargain hunters, full payers.

    Everything is listed at one price; `dearer` multiplies that and what they pay.
    """
    reviews = []
    for number in range(first, first + count):
        kind, step = number % 3, number // 3 % 7
        paid = (700 + 20 * step, 180 + 10 * step, 930 + 8 * step)[kind]
        reviews += [
            {
                "user_id": f"P{number}",
                "item_id": f"I{number}-{i}",
                "rating": str((4.5, 3.8, 4.2)[kind] + step % 3 / 10),
                "paid_price": str(paid * dearer),
                "list_price": str(listed * dearer),
                "reviewed_at": f"2026-01-{day:02d}",
            }
            for i in range(4 + step if kind == 0 else 1)
        ]
    return canonical_csv(reviews)


@contextmanager
def history(data_root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """Dagster's record in the home, on disk: a schedule is given no other."""
    data_root.dagster.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.local_temp(str(data_root.dagster)) as instance:
        yield instance


def answer(data_root: DataRoot, *, now: str = "", **settings: Any) -> dg.RunRequest | dg.SkipReason:
    """What the schedule answers now, or at the time `now`."""
    with (
        history(data_root) as instance,
        dg.build_schedule_context(instance=instance, resources=_resources(data_root, settings, now=now)) as context,
    ):
        return nightly(context)


def answer_of_the_sensor(data_root: DataRoot, **settings: Any) -> dg.RunRequest | dg.SkipReason:
    """What the sensor answers now."""
    with (
        history(data_root) as instance,
        dg.build_sensor_context(instance=instance, resources=_resources(data_root, settings)) as context,
    ):
        return landing_sensor(context)


def changes(data_root: DataRoot, *, now: str = "", **settings: Any) -> str:
    """Why the schedule starts a run, which it must."""
    requested = answer(data_root, now=now, **settings)
    assert isinstance(requested, dg.RunRequest), requested
    return requested.tags["amzseg/changes"]


def reason(data_root: DataRoot, **settings: Any) -> str:
    """Why the schedule starts no run, which it must not."""
    skipped = answer(data_root, **settings)
    assert isinstance(skipped, dg.SkipReason), skipped
    return skipped.skip_message or ""


def deliver(data_root: DataRoot, *, age_seconds: float = 3_600, **exports: bytes) -> DataRoot:
    """The home with `<name>.csv` for every keyword in its landing zone, last written that long ago."""
    scenario.data_root_with(data_root.root, **exports)
    for name in exports:
        written = time.time() - age_seconds
        os.utime(data_root.landing / f"{name}.csv", (written, written))
    return data_root


def _resources(data_root: DataRoot, settings: dict[str, Any], *, now: str = "") -> dict[str, Any]:
    return {"pipeline": PipelineResource(root=str(data_root.root), settings={**scenario.QUICK, **settings}, now=now)}
