"""Housekeeping: the history of old runs and the plots of runs whose snapshot is gone.

Snapshots retire when a new one is published, in storage/snapshots/; the warehouse holds no history.
"""

from datetime import datetime, timedelta

import dagster as dg

from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.defs.ui_metadata.disk_usage import disk_use_words
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.disk_usage import expired_artifacts
from amzseg_pipeline.storage.snapshots.layout import snapshot_names

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.op(
    description="Deletes finished runs older than keep_run_days that the UI does not need, with their logs, and plots "
    "of runs whose snapshot is gone; tells what it deleted and what the disk holds."
)
def delete_expired(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    """Runs that hold the latest materialisation of an asset stay, however old: the UI shows them.

    Plots of kept snapshots stay; so do young ones, whose run may not have published yet.
    """
    runs = _expired_runs(context.instance, before=pipeline.time - timedelta(days=pipeline.values.keep_run_days))
    for run_id in runs:
        context.instance.delete_run(run_id)
        context.instance.compute_log_manager.delete_logs(prefix=[run_id])
    folders = expired_artifacts(
        pipeline.data_root.artifacts,
        kept_runs={name.run for name in snapshot_names(pipeline.data_root.published)},
        now=pipeline.time,
        keep_hours=pipeline.values.keep_snapshot_hours,
    )
    for folder in folders:
        delete(folder)
    outcome = f"deleted runs: {len(runs)}, folders of plots: {len(folders)}; {disk_use_words(pipeline.data_root)}"
    context.log.info(outcome)
    tag_run(context.instance, context.run_id, outcome=outcome)


@dg.job(description="Deletes what nobody needs: old runs and plots of retired snapshots.")
def prune() -> None:
    """Its resources hold the run lock, so no run of segment_users is under way."""
    delete_expired()


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune,
    cron_schedule="0 5 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Sundays at 05:00 UTC.",
)


def _expired_runs(instance: dg.DagsterInstance, *, before: datetime) -> list[str]:
    old = dg.RunsFilter(statuses=list(_FINISHED), created_before=before)
    needed = _latest_runs(instance)
    return [run.run_id for run in instance.get_runs(filters=old) if run.run_id not in needed]


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs of the latest materialisation of every asset; its checks were evaluated in the same run."""
    latest = instance.get_latest_materialization_events(instance.all_asset_keys())
    return {event.run_id for event in latest.values() if event is not None}
