"""The operations of the jobs prune, rollback and erase_user.

Publishing deletes old snapshots, see storage/snapshots/retention.py; the warehouse keeps no history.
"""

from datetime import datetime, timedelta

import dagster as dg
from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.defs.ui_metadata import disk_use_message
from amzseg_pipeline.storage.data_root import DataRoot, user_keys_from_environment
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.erasure.request import erasure_request
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.disk_usage import expired_artifacts
from amzseg_pipeline.storage.previous_run import previous_run
from amzseg_pipeline.storage.snapshots import Snapshot, repoint
from amzseg_pipeline.storage.snapshots.layout import snapshot_names

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.op(
    description="Deletes finished runs older than keep_run_days with their logs, except those the UI needs, and plots "
    "of runs whose snapshot is deleted; reports what it deleted and the disk use."
)
def delete_expired(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Keeps runs with the latest materialization of an asset, plots of kept snapshots, and plots of recent runs."""
    settings = pipeline.resolved_settings
    runs = _expired_runs(context.instance, before=pipeline.now - timedelta(days=settings.keep_run_days))
    for run_id in runs:
        context.instance.delete_run(run_id)
        context.instance.compute_log_manager.delete_logs(prefix=[run_id])
    folders = expired_artifacts(
        pipeline.data_root.artifacts,
        kept_runs={name.run for name in snapshot_names(pipeline.data_root.published)},
        now=pipeline.now,
        keep_hours=settings.keep_snapshot_hours,
    )
    for folder in folders:
        delete(folder)
    outcome = f"deleted runs: {len(runs)}, folders of plots: {len(folders)}; {disk_use_message(pipeline.data_root)}"
    context.log.info(outcome)
    tag_run(context.instance, context.run_id, outcome=outcome)


class SnapshotNumber(dg.Config):
    """Which snapshot to restore."""

    snapshot: int


class ErasureRequest(dg.Config):
    """Which file in erase_requests/ has the id of the user to erase."""

    request_file: str


# These operations take the run lock themselves, so they do without the IO manager, whose engine holds it.
_NO_OUTPUT = dg.Out(dg.Nothing, io_manager_key="no_io_manager")


@dg.op(out=_NO_OUTPUT, description="Makes an earlier snapshot the published one.")
def restore_snapshot(context: dg.OpExecutionContext, config: SnapshotNumber, pipeline: PipelineResource) -> None:
    """Moves the pointer back."""
    snapshot, approval_needed = rolled_back_to(pipeline.data_root, config.snapshot)
    outcome = f"snapshot {snapshot.sequence} restored, of {snapshot.created:%Y-%m-%d %H:%M} UTC"
    outcome += f"; {approval_needed}" if approval_needed else ""
    context.log.info(outcome)
    tag_run(context.instance, context.run_id, outcome=outcome)


@dg.op(out=_NO_OUTPUT, description="Erases the user named in a request file, then deletes the file.")
def erase_requested_user(context: dg.OpExecutionContext, config: ErasureRequest, pipeline: PipelineResource) -> None:
    """Neither log nor tags contain the id."""
    path, user_id = erasure_request(pipeline.data_root, config.request_file)
    # Deleted first: erase() verifies that no file of the data root contains the id.
    path.unlink()
    try:
        result = erase(pipeline.data_root, user_id, keys=user_keys_from_environment())
    except BaseException:
        path.write_text(user_id, encoding="utf-8")
        raise
    deleted = ", ".join(result.deleted) or "nothing else"
    outcome = f"erased the user from {len(result.snapshots)} snapshot(s); deleted: {deleted}"
    if not result.snapshots and not result.deleted:
        outcome = "no file contains the id, so nothing was changed; check its spelling, upper and lower case matter"
    context.log.info(outcome)
    tag_run(context.instance, context.run_id, outcome=outcome)


def rolled_back_to(data_root: DataRoot, sequence: int) -> tuple[Snapshot, str]:
    """Makes this snapshot the published one; returns it, and why the next model needs approval (empty: it does not).

    Raises SnapshotError if there is no such snapshot, or a run is under way.
    """
    if not data_root.published.is_dir():
        raise SnapshotError(f"{data_root.published}: nothing has been published yet, so there is no earlier snapshot.")
    data_root.local.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data_root.lock_file).acquire(timeout=0):
            snapshot = repoint(data_root.published, sequence)
            return snapshot, previous_run(data_root).promotion_state.approval_needed
    except Timeout:
        raise SnapshotError(f"{data_root.lock_file}: a run is under way; roll back once it has ended.") from None


def _expired_runs(instance: dg.DagsterInstance, *, before: datetime) -> list[str]:
    old = dg.RunsFilter(statuses=list(_FINISHED), created_before=before)
    needed = _latest_runs(instance)
    return [run.run_id for run in instance.get_runs(filters=old) if run.run_id not in needed]


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs of the latest materialization of every asset; they hold its checks as well."""
    latest = instance.get_latest_materialization_events(instance.all_asset_keys())
    return {event.run_id for event in latest.values() if event is not None}
