"""When a run starts, and why it does not: the nightly schedule, and a sensor for those who cannot wait.

What counts as a change stands in steps/changes.py.
"""

import hashlib
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg
from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.defs import sensors as alerts
from amzseg_pipeline.defs.change_detection import Comparison, comparison
from amzseg_pipeline.defs.jobs import segment_users
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import TAG_CHARACTERS
from amzseg_pipeline.steps.changes import names
from amzseg_pipeline.storage import landing
from amzseg_pipeline.storage.data_root import DataRoot

_LOGGED_FILES = 20
_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
_LONGEST_START = timedelta(minutes=15)


@dataclass(frozen=True)
class _Decision:
    """Whether to run, and why or why not.

    `ends_well` where there is nothing to do; `state` is another text for another landing zone, code or settings.
    """

    words: str
    runs: bool = False
    ends_well: bool = False
    state: str = ""


@dg.schedule(
    job=segment_users,
    cron_schedule=os.environ.get("AMZSEG_CRON", "0 2 * * *"),
    execution_timezone=os.environ.get("AMZSEG_TIMEZONE", "UTC"),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Segments users again when exports, code or settings differ from those of the last published snapshot.",
)
def nightly(context: dg.ScheduleEvaluationContext, pipeline: PipelineResource) -> dg.RunRequest | dg.SkipReason:
    """A run, or the reason in words why none is needed."""
    decision = _decision(pipeline, context.instance, log=context.log)
    if decision.runs:
        return _run_request(decision)
    if decision.ends_well:
        try:
            alerts.ping()
        except (OSError, ValueError) as error:
            context.log.warning(f"{alerts.PING_VARIABLE} could not be asked for: {error}")
    return dg.SkipReason(decision.words)


@dg.sensor(
    job=segment_users,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Does what nightly does, a minute after an export has settled; start it where a night is too long.",
)
def landing_sensor(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.RunRequest | dg.SkipReason:
    """As nightly, but once for each state of the landing zone: what failed is tried again by night, not by minute."""
    decision = _decision(pipeline, context.instance, log=context.log)
    return _run_request(decision, run_key=decision.state) if decision.runs else dg.SkipReason(decision.words)


def _run_request(decision: _Decision, *, run_key: str | None = None) -> dg.RunRequest:
    """A run that leaves files that are still settling, as the decision did."""
    return dg.RunRequest(
        run_key=run_key,
        run_config={"resources": {"pipeline": {"config": {"settle": True}}}},
        tags={"amzseg/changes": decision.words[:TAG_CHARACTERS]},
    )


def _decision(pipeline: PipelineResource, instance: dg.DagsterInstance, *, log: logging.Logger) -> _Decision:
    """What to do now. Where that cannot be told it is to run: a run that fails is seen and alerts, a tick is not."""
    try:
        data_root, settings = pipeline.data_root, pipeline.values
        if _held(FileLock(data_root.lock_file)):
            return _Decision("a run is under way; the next night compares again")
        if _about_to_start(instance, now=pipeline.time):
            return _Decision("a run is about to start; the next night compares again")
        listing = landing.landing_listing(
            data_root.landing, now=pipeline.time.timestamp(), settle_seconds=settings.settle_seconds
        )
        skips_refused = settings.on_refused_file == "skip"
        batches = landing.known_contents(data_root, listing, without_refused=skips_refused)
        settling = [left.path for left in listing.left if left.is_settling]
        found = comparison(pipeline, batches=batches, settling=settling)
    except (PipelineError, OSError) as error:
        return _Decision(f"cannot be compared: {error}", runs=True, state=str(error))
    for left in listing.left[:_LOGGED_FILES]:
        log.info(f"{left.path}: {left.reason}")
    unreadable = tuple(refused.path for refused in listing.refused)
    skipped = [file.path for file in listing.files if file.path not in batches]
    if skips_refused:
        skipped, unreadable = sorted([*skipped, *unreadable]), ()
    if not listing.files and not unreadable:
        return _Decision(_nothing_to_read(data_root, found, settling=settling))
    if found.wait:
        return _Decision(found.wait)
    changes = [*found.changes, *([f"cannot be read: {names(unreadable)}"] if unreadable else [])]
    if changes:
        state = hashlib.sha256(repr((changes, listing.files)).encode()).hexdigest()
        return _Decision("; ".join(changes), runs=True, state=state)
    unread = (("still settling", settling), ("refused and skipped", skipped))
    told = "".join(f"; {why}: {names(paths)}" for why, paths in unread if paths)
    return _Decision(f"nothing changed since snapshot {found.snapshot}{told}", ends_well=True)


def _nothing_to_read(data_root: DataRoot, found: Comparison, *, settling: list[str]) -> str:
    if settling:
        return f"no export to read in {data_root.landing} yet; still settling: {names(settling)}"
    if found.snapshot is not None:
        before = f"though snapshot {found.snapshot} was made of some; is it mounted?"
        return f"no export to read in {data_root.landing}, {before}"
    return f"no export to read in {data_root.landing}; put one there"


def _about_to_start(instance: dg.DagsterInstance, *, now: datetime) -> bool:
    """Whether a run waits for its process. One that has waited for longer than any start takes blocks nothing."""
    filters = dg.RunsFilter(job_name=segment_users.name, statuses=_WAITING, created_after=now - _LONGEST_START)
    return bool(instance.get_runs(filters, limit=1))


def _held(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError) as error:
        return isinstance(error, Timeout)
    lock.release()
    return False
