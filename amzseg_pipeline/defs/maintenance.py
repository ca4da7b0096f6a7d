"""The operation of the job prune: it deletes old runs, and plots of runs whose snapshot is deleted.

Publishing deletes old snapshots, see storage/snapshots/retention.py; the warehouse keeps no history.
"""

from datetime import datetime, timedelta

import dagster as dg

from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.defs.ui_metadata import disk_use_message
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.disk_usage import expired_artifacts
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


def _expired_runs(instance: dg.DagsterInstance, *, before: datetime) -> list[str]:
    old = dg.RunsFilter(statuses=list(_FINISHED), created_before=before)
    needed = _latest_runs(instance)
    return [run.run_id for run in instance.get_runs(filters=old) if run.run_id not in needed]


def _latest_runs(instance: dg.DagsterInstance) -> set[str]:
    """The runs of the latest materialization of every asset; they hold its checks as well."""
    latest = instance.get_latest_materialization_events(instance.all_asset_keys())
    return {event.run_id for event in latest.values() if event is not None}
