"""Evaluations of schedule and sensor in a test, and exports old enough for them to read."""

import atexit
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.schedules import nightly
from amzseg_pipeline.defs.sensors import landing_sensor
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import canonical_csv, sales_csv

EXPORT = sales_csv([{}] * 12)
OTHER = sales_csv([{"user_id": "A,B"}, {"user_id": "A,C"}, {"user_id": "D,B"}])
MORE = sales_csv([{"user_id": "X,Y"}, {"user_id": "X,Z"}])


def people(count: int, *, first: int = 1, day: int = 1, list_price: int = 1000, price_factor: int = 1) -> bytes:
    """Reviews of the users P<first> onward, written on that day of January: loyal users, bargain hunters, full payers.

    Every item has one list price; `price_factor` multiplies it and the prices paid.
    """
    reviews = []
    for number in range(first, first + count):
        user_type, step = number % 3, number // 3 % 7
        paid = (700 + 20 * step, 180 + 10 * step, 930 + 8 * step)[user_type]
        reviews += [
            {
                "user_id": f"P{number}",
                "item_id": f"I{number}-{i}",
                "rating": str((4.5, 3.8, 4.2)[user_type] + step % 3 / 10),
                "paid_price": str(paid * price_factor),
                "list_price": str(list_price * price_factor),
                "reviewed_at": f"2026-01-{day:02d}",
            }
            for i in range(4 + step if user_type == 0 else 1)
        ]
    return canonical_csv(reviews)


@contextmanager
def persistent_instance(data_root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance stored in the data root; a schedule context accepts no ephemeral one."""
    data_root.dagster.mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.local_temp(str(data_root.dagster)) as instance:
        yield instance


@cache
def schedule_instance() -> dg.DagsterInstance:
    """One stored instance for all evaluations in this process: making one takes longer than an evaluation."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = stack.enter_context(TemporaryDirectory())
    return stack.enter_context(dg.DagsterInstance.local_temp(folder))


def evaluated_schedule(data_root: DataRoot, *, now: str = "", **settings: Any) -> dg.RunRequest | dg.SkipReason:
    """The result of the schedule now, or at the time `now`: its last run request or the reason to skip."""
    found = schedule_result(data_root, now=now, **settings)
    return found if isinstance(found, dg.SkipReason) else found[-1]


def schedule_result(data_root: DataRoot, *, now: str = "", **settings: Any) -> list[dg.RunRequest] | dg.SkipReason:
    """All that the schedule returns."""
    resources = _resources(data_root, settings, now=now)
    with dg.build_schedule_context(instance=schedule_instance(), resources=resources) as context:
        return nightly(context)


def evaluated_sensor(data_root: DataRoot, **settings: Any) -> dg.RunRequest | dg.SkipReason:
    """The result of the sensor now: its last run request or the reason to skip."""
    resources = _resources(data_root, settings)
    with dg.build_sensor_context(instance=schedule_instance(), resources=resources) as context:
        found = landing_sensor(context)
        return found if isinstance(found, dg.SkipReason) else found[-1]


def changes(data_root: DataRoot, *, now: str = "", **settings: Any) -> str:
    """Why the schedule starts a run; fails if it does not."""
    requested = evaluated_schedule(data_root, now=now, **settings)
    assert isinstance(requested, dg.RunRequest), requested
    return requested.tags["amzseg/changes"]


def skip_reason(data_root: DataRoot, **settings: Any) -> str:
    """Why the schedule skips; fails if it starts a run."""
    skipped = evaluated_schedule(data_root, **settings)
    assert isinstance(skipped, dg.SkipReason), skipped
    return skipped.skip_message or ""


def deliver(data_root: DataRoot, *, age_seconds: float = 3_600, **exports: bytes) -> DataRoot:
    """The data root with `<name>.csv` for every keyword in its landing zone, last written `age_seconds` ago.

    In a store, the time is that of the upload.
    """
    scenario.data_root_with(data_root.root, **exports)
    for name in exports if store_of(data_root.root) is None else ():
        written = time.time() - age_seconds
        os.utime(data_root.landing / f"{name}.csv", (written, written))
    return data_root


def copied(root: Path, target: Path) -> DataRoot:
    """A copy of a data root for a test that changes it."""
    shutil.copytree(root, target, dirs_exist_ok=True)
    data_root = DataRoot(target)
    # The recorded hashes are valid for the change time of a file, which a copy does not keep.
    recorded = data_root.warehouse / "landing.json"
    document = json.loads(recorded.read_text())
    for row in document["files"]:
        row[3] = (data_root.landing / row[0]).stat().st_ctime_ns
    recorded.write_text(json.dumps(document))
    return data_root


def _resources(data_root: DataRoot, settings: dict[str, Any], *, now: str = "") -> dict[str, Any]:
    return {"pipeline": PipelineResource(root=str(data_root.root), settings={**scenario.QUICK, **settings}, run_at=now)}
