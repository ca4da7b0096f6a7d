"""The schedules: the nightly run of segment_users, and the weekly prune."""

import os

import dagster as dg

from amzseg_pipeline.defs.change_detection import run_decision
from amzseg_pipeline.defs.jobs import prune, scheduled_runs, segment_users
from amzseg_pipeline.defs.notifications import PING_VARIABLE, ping
from amzseg_pipeline.defs.resources import PipelineResource


@dg.schedule(
    job=segment_users,
    cron_schedule=os.environ.get("AMZSEG_CRON", "0 2 * * *"),
    execution_timezone=os.environ.get("AMZSEG_TIMEZONE", "UTC"),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs segment_users if exports, code or settings differ from those of the latest snapshot.",
)
def nightly(context: dg.ScheduleEvaluationContext, pipeline: PipelineResource) -> list[dg.RunRequest] | dg.SkipReason:
    """Run requests, or the reason to skip."""
    decision = run_decision(pipeline, context.instance, log=context.log)
    if requests := scheduled_runs(decision):
        return requests
    if decision.is_up_to_date:
        try:
            ping()
        except (OSError, ValueError) as error:
            context.log.warning(f"{PING_VARIABLE} does not answer: {error}")
    return dg.SkipReason(decision.reason)


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune,
    cron_schedule="0 5 * * 0",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs prune on Sundays at 05:00 UTC.",
)
