"""Housekeeping: the history of old runs and the plots of runs whose snapshot is gone.

Snapshots retire when a new one is published, in storage/snapshots/; the warehouse holds no history.
"""

import shutil
from datetime import timedelta

import dagster as dg

from amzseg_pipeline.defs.disk_words import disk_use_words
from amzseg_pipeline.defs.resources import DataHome
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.storage.disk import expired_artifacts
from amzseg_pipeline.storage.snapshots.layout import snapshot_names

_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dg.op(description="Deletes finished runs older than keep_run_days that the UI does not need, and their logs.")
def prune_runs(context: dg.OpExecutionContext, data_home: DataHome) -> int:
    """How many; runs that hold the latest materialisation of an asset stay, however old: the UI shows them."""
    instance = context.instance
    before = data_home.time - timedelta(days=data_home.values.keep_run_days)
    old = dg.RunsFilter(statuses=list(_FINISHED), created_before=before)
    needed = _latest_runs(instance)
    expired = [run.run_id for run in instance.get_runs(filters=old) if run.run_id not in needed]
    for run_id in expired:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    context.log.info(f"{len(expired)} runs from before {before:%Y-%m-%d} deleted")
    return len(expired)


@dg.op(description="Deletes plots of runs whose snapshot is gone, and tells the disk use.")
def prune_artifacts(context: dg.OpExecutionContext, deleted_runs: int, data_home: DataHome) -> None:
    """Plots of kept snapshots stay; so do young ones, whose run may not have published yet."""
    home = data_home.home
    expired = expired_artifacts(
        home.artifacts,
        kept_runs={name.run for name in snapshot_names(home.published)},
        now=data_home.time,
        keep_hours=data_home.values.keep_snapshot_hours,
    )
    for folder in expired:
        shutil.rmtree(folder)
    context.log.info(f"{len(expired)} folders of plots deleted")
    use = disk_use_words(home)
    context.log.info(use)
    tag_run(
        context.instance,
        context.run_id,
        outcome=f"deleted: {deleted_runs} runs, {len(expired)} folders of plots; {use}",
    )


@dg.job(description="Deletes what nobody needs: old runs and plots of retired snapshots.")
def prune() -> None:
    """Both, one after the other."""
    prune_artifacts(prune_runs())


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune,
    cron_schedule="0 5 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Sundays at 05:00 UTC.",
)


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs of the latest materialisation of every asset; its checks were evaluated in the same run."""
    latest = instance.get_latest_materialization_events(instance.all_asset_keys())
    return {event.run_id for event in latest.values() if event is not None}
