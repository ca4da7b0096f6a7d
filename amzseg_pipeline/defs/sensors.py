"""The sensors: a run soon after an export arrives, alerts, and a ping after each successful run.

Addresses come from the environment; without them nothing is sent.
"""

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.contracts.publish import RUN_FILE
from amzseg_pipeline.defs.change_detection import run_decision
from amzseg_pipeline.defs.jobs import approve_pending_model, scheduled_runs, segment_users
from amzseg_pipeline.defs.notifications import ALERT_VARIABLE, PING_VARIABLE, ping, request
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import failure_reasons, tag_run
from amzseg_pipeline.steps.run_document import PROMOTION_STATE_KEY
from amzseg_pipeline.storage import snapshots

_REMINDER = timedelta(days=7)


@dg.sensor(
    job=segment_users,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Runs segment_users within a minute after an export has settled. Start it if nightly is too slow.",
)
def landing_sensor(
    context: dg.SensorEvaluationContext, pipeline: PipelineResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Decides as nightly does, but once per state of the landing zone: only nightly retries a failed run."""
    decision = run_decision(pipeline, context.instance, log=context.log)
    return scheduled_runs(decision, once=True) or dg.SkipReason(decision.reason)


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Tags a failed run with the reason; posts it to {ALERT_VARIABLE} unless the run is retried.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, pipeline: PipelineResource) -> dg.SkipReason | None:
    """Posts `{"text": ...}`, which Slack, Mattermost and Teams workflows accept, and the same facts as fields.

    Dagster calls it for runs that it launched; a run from a shell shows its failure to whoever started it.
    """
    run = context.dagster_run
    reasons = failure_reasons(context.instance, run.run_id) or [context.failure_event.message or "no reason given"]
    tag_run(context.instance, run.run_id, outcome=f"failed: {' '.join(reasons)}")
    address = os.environ.get(ALERT_VARIABLE)
    if not address:
        return dg.SkipReason(f"{ALERT_VARIABLE} is not set: no alert for the failed run {run.run_id}")
    if run.tags.get("dagster/will_retry") == "true":
        return dg.SkipReason(f"run {run.run_id} crashed and is retried: an alert follows if the retry fails as well")
    readers = _what_readers_see(pipeline)
    alert = {
        "text": f"{run.job_name} failed (run {run.run_id[:8]}): {' '.join(reasons)} {readers}",
        "job": run.job_name,
        "run_id": run.run_id,
        "reasons": reasons,
        "readers": readers,
    }
    request(address, json.dumps(alert).encode())
    return None


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[segment_users, approve_pending_model],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Requests {PING_VARIABLE} after each successful run, for a service that notices missing pings.",
)
def ping_after_success(_: dg.RunStatusSensorContext) -> dg.SkipReason | None:
    """Pings after a run; ticks of nightly that find nothing to do ping themselves."""
    return None if ping() else dg.SkipReason(f"{PING_VARIABLE} is not set")


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Posts to {ALERT_VARIABLE} while a model is pending, at once and every {_REMINDER.days} days, and "
    f"while drift is older than {_REMINDER.days} days. A ping after a successful run does not hide either.",
)
def alert_on_segments(context: dg.SensorEvaluationContext, pipeline: PipelineResource) -> dg.SkipReason:
    """The cursor holds the time of the last alert for each message that still applies."""
    address = os.environ.get(ALERT_VARIABLE)
    if not address:
        return dg.SkipReason(f"{ALERT_VARIABLE} is not set")
    if not _is_published(pipeline):
        return dg.SkipReason("nothing is published")
    # Only run.json is read: hashing the tables of millions of users takes longer than a tick may.
    snapshot = snapshots.read_latest(pipeline.data_root.root, verify=False)
    snapshot.verify(RUN_FILE)
    now = pipeline.now
    messages = dict(_messages(snapshot.run().get(PROMOTION_STATE_KEY) or {}, now=now))
    sent = {key: time for key, time in json.loads(context.cursor or "{}").items() if key in messages}
    due = [key for key in messages if key not in sent or datetime.fromisoformat(sent[key]) + _REMINDER <= now]
    failures = []
    for key in due:
        # An exception would discard the cursor, and with it the messages that were sent.
        try:
            request(address, json.dumps({"text": messages[key], "snapshot": snapshot.sequence}).encode())
            sent[key] = now.isoformat()
        except (OSError, ValueError) as error:
            failures.append(str(error))
            context.log.error(f"{ALERT_VARIABLE}: {key} was not sent and is sent at the next tick: {error}")
    context.update_cursor(json.dumps(sent))
    summary = f"sent {len(due) - len(failures)} of {len(messages)} messages about segments"
    return dg.SkipReason("; ".join([summary, *failures]))


def _messages(state: Mapping[str, Any], *, now: datetime) -> Iterator[tuple[str, str]]:
    """Key and text of each matter that needs attention, from promotion_state of run.json."""
    if pending := state.get("pending"):
        version, since = pending["model"]["version"], pending.get("since", "")
        yield (
            f"pending {version}",
            f"Model {version} is pending approval since {since[:10] or 'an earlier version'}: "
            f"{pending['report']['reason']}. Approve it with amzseg run --approve {version}.",
        )
    since = state.get("drift_since")
    if since and now - datetime.fromisoformat(since) >= _REMINDER:
        text = "Users have drifted from the reference of the segments since"
        yield f"drift since {since}", f"{text} {since[:10]}, and no model was adopted. See segment_drift."


def _is_published(pipeline: PipelineResource) -> bool:
    return snapshots.latest_manifest(pipeline.data_root.published) is not None


def _what_readers_see(pipeline: PipelineResource) -> str:
    try:
        manifest = snapshots.latest_manifest(pipeline.data_root.published)
    except PipelineError as error:
        return f"The published snapshot is damaged: {error}"
    if manifest is None:
        return "Nothing is published."
    return f"Readers still see snapshot {manifest['sequence']} of {manifest['created']}."
