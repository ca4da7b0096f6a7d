"""Ticks of a real daemon, from its own records: the decision of the schedule, and the runs it started."""

import time
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData, TickStatus
from dagster._core.workspace.load_target import WorkspaceFileTarget

from amzseg_pipeline_tests.reliability.processes import PROJECT, until

_LONGEST_WAIT_SECONDS = 600


@dataclass(frozen=True)
class Tick:
    """One evaluation of the schedule: its time, and the run it requested or the reason for skipping."""

    timestamp: float
    reason: str = ""
    run_id: str = ""


BUSY = ("a run is under way; the next tick compares again", "a run is about to start; the next tick compares again")


class ScheduleTicks:
    """The ticks recorded in `instance`, one after another, waiting for each.

    Skips ticks during a run, and ticks that start a second run before the first has the lock: that run must find
    nothing new.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._seen = 0

    def reason(self) -> str:
        """The reason for which the next tick skips; fails if it starts a run."""
        while True:
            tick = self._next()
            if tick.run_id:
                outcome = self.ended(tick.run_id).tags.get("amzseg/outcome", "")
                assert outcome.startswith("nothing changed"), f"a run was started: {outcome}"
            elif tick.reason not in BUSY:
                return tick.reason

    def run(self) -> dg.DagsterRun:
        """The run that the next tick starts, once all runs have ended; fails if it skips."""
        run = self.ended(self.started())
        while len(past_ticks(self._instance)) > self._seen:
            self.ended(self._next().run_id)
        return run

    def started(self) -> str:
        """The id of the run that the next tick starts; fails if it skips."""
        while (tick := self._next()).reason in BUSY:
            pass
        assert tick.run_id, tick.reason
        return tick.run_id

    def ended(self, run_id: str) -> dg.DagsterRun | None:
        """The run, once it has ended; None without a run."""
        return until(lambda: self._finished(run_id), seconds=_LONGEST_WAIT_SECONDS) if run_id else None

    def busy(self) -> str:
        """The reason of the next tick, which happens during a run."""
        return self._next().reason

    def ended_retry(self, run_id: str) -> dg.DagsterRun | None:
        """The run that the daemon launched to retry a crashed one, once it has ended."""
        return self.ended(self.retry(run_id))

    def retry(self, run_id: str) -> str:
        """The id of the run that the daemon launched to retry a crashed one."""
        return until(lambda: self._retry(run_id), seconds=_LONGEST_WAIT_SECONDS)

    def _next(self) -> Tick:
        ticks = until(lambda: past_ticks(self._instance)[self._seen :], seconds=_LONGEST_WAIT_SECONDS)
        self._seen += 1
        return ticks[0]

    def _retry(self, run_id: str) -> str:
        return next((run.run_id for run in self._instance.get_runs() if run.parent_run_id == run_id), "")

    def _finished(self, run_id: str) -> dg.DagsterRun | None:
        run = self._instance.get_run_by_id(run_id)
        return run if run is not None and run.is_finished else None


def status_text(run: dg.DagsterRun) -> str:
    """The reason and outcome tags of the run, after its status if that is not success."""
    text = " -> ".join(run.tags.get(f"amzseg/{name}", "") for name in ("changes", "outcome"))
    return text if run.status == dg.DagsterRunStatus.SUCCESS else f"{run.status.value}: {text}"


def has_made(instance: dg.DagsterInstance, run_id: str, asset: str) -> bool:
    """Whether the run has materialised the asset."""
    logged = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    return asset in {entry.get_dagster_event().asset_key.to_user_string() for entry in logged}


def past_ticks(instance: dg.DagsterInstance) -> list[Tick]:
    """The recorded ticks, oldest first."""
    state = _nightly(instance)
    ticks = [] if state is None else instance.get_ticks(state.instigator_origin_id, state.selector_id)
    assert all(tick.status != TickStatus.FAILURE for tick in ticks)
    answered = [tick for tick in ticks if tick.status != TickStatus.STARTED]
    return [
        Tick(tick.timestamp, tick.tick_data.skip_reason or "", "".join(tick.run_ids))
        for tick in sorted(answered, key=lambda tick: tick.timestamp)
    ]


def leave_as_if_down(instance: dg.DagsterInstance, *, seconds: float) -> None:
    """Records a daemon that started the schedule so long ago and stopped before the first tick."""
    [location] = WorkspaceFileTarget([str(PROJECT / "workspace.yaml")]).create_origins()
    repository = RemoteRepositoryOrigin(location, "__repository__")
    data = ScheduleInstigatorData("* * * * *", start_timestamp=time.time() - seconds)
    origin = RemoteInstigatorOrigin(repository, "nightly")
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SCHEDULE, InstigatorStatus.DECLARED_IN_CODE, data)
    )


def _nightly(instance: dg.DagsterInstance) -> InstigatorState | None:
    states = instance.all_instigator_state()
    return next((state for state in states if state.instigator_name == "nightly"), None)
