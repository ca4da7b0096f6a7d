"""Finds runs whose process was killed and marks them as failed in Dagster's record.

Each run locks its own file while it lives; the system releases the lock when the process ends, however it ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from amzseg_pipeline.storage.data_root import DataRoot

JOB_NAMES = frozenset({"segment_users", "approve_pending_model", "rollback", "erase_user", "prune"})
"""The jobs of this package; an instance may hold runs of others."""

MESSAGE = "the process of this run was killed; the next run found that it is gone"

_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_MAX_START_TIME = timedelta(minutes=15)


@contextmanager
def living_run(data_root: DataRoot, run_id: str | None) -> Iterator[None]:
    """Marks a run as alive until the end of the block, or of the process."""
    if not run_id:
        yield
        return
    path = _life_file(data_root, run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def fail_dead_runs(data_root: DataRoot, instance: dg.DagsterInstance, *, run_id: str, now: datetime) -> list[str]:
    """Marks every unfinished run as failed whose process has ended; returns their ids.

    A run that never locked its file died on its way there; it counts as dead once no start takes that long. Its
    retries are off: the run that finds it does the same work.

    Args:
        data_root: where the locks of runs are.
        instance: Dagster's record.
        run_id: the run that asks.
        now: the present time, in UTC.
    """
    dead: list[str] = []
    if data_root.local_folder_path is not None:
        return dead  # runs on other machines lock files there
    for record in instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED)):
        run = record.dagster_run
        is_ours = run.job_name in JOB_NAMES or _life_file(data_root, run.run_id).exists()
        if run.run_id == run_id or not is_ours:
            continue
        if _is_alive(data_root, run.run_id, created=record.create_timestamp, now=now):
            continue
        instance.add_run_tags(run.run_id, {"dagster/max_retries": "0", "amzseg/outcome": f"failed: {MESSAGE}"})
        instance.report_run_failed(run, MESSAGE)
        _life_file(data_root, run.run_id).unlink(missing_ok=True)
        dead.append(run.run_id)
    return dead


def _is_alive(data_root: DataRoot, run_id: str, *, created: datetime, now: datetime) -> bool:
    path = _life_file(data_root, run_id)
    if not path.exists():
        return now - created < _MAX_START_TIME
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True


def _life_file(data_root: DataRoot, run_id: str) -> Path:
    return data_root.local / ".runs" / run_id
