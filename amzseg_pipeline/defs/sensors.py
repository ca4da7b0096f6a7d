"""What the pipeline says to the outside: an alert when a run failed, a sign of life when a night ended well.

Addresses come from the environment; without them nothing is sent. Nothing is checked here.
"""

import json
import os
import time
import urllib.error
import urllib.request

import dagster as dg

from amzseg_pipeline.cli.console_log import cause
from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.defs.jobs import segment_users
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import checks_done, tag_run
from amzseg_pipeline.storage import snapshots

ALERT_VARIABLE = "AMZSEG_ALERT_URL"
PING_VARIABLE = "AMZSEG_PING_URL"

_TRIES = 3
_TIMEOUT_SECONDS = 8
_PAUSE_SECONDS = 2


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Tags a run that failed with the reason; posts it to {ALERT_VARIABLE} unless it is tried again.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, pipeline: PipelineResource) -> dg.SkipReason | None:
    """Sends `{"text": ...}`, which Slack, Mattermost and Teams workflows take, with the run's facts beside it.

    Dagster asks for runs that it launched; one that somebody started in a shell failed before their eyes.
    """
    run = context.dagster_run
    reasons = _reasons(context)
    tag_run(context.instance, run.run_id, outcome=f"failed: {' '.join(reasons)}")
    address = os.environ.get(ALERT_VARIABLE)
    if not address:
        return dg.SkipReason(f"{ALERT_VARIABLE} is not set: nobody is told that run {run.run_id} failed")
    if run.tags.get("dagster/will_retry") == "true":
        return dg.SkipReason(f"run {run.run_id} crashed and is tried again: an alert comes if that fails as well")
    stays = _what_stays(pipeline)
    alert = {
        "text": f"{run.job_name} failed (run {run.run_id[:8]}): {' '.join(reasons)} {stays}",
        "job": run.job_name,
        "run_id": run.run_id,
        "reasons": reasons,
        "readers": stays,
    }
    _request(address, json.dumps(alert).encode())
    return None


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[segment_users],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Asks for {PING_VARIABLE} after each run that succeeded, for a service that notices when that stops.",
)
def ping_after_success(_: dg.RunStatusSensorContext) -> dg.SkipReason | None:
    """The sign of life of a night that ran; nights without anything to do give theirs in nightly.py."""
    return None if ping() else dg.SkipReason(f"{PING_VARIABLE} is not set")


def ping() -> bool:
    """Whether there is an address to ask for, after asking for it. OSError where it does not answer."""
    address = os.environ.get(PING_VARIABLE)
    if address:
        _request(address, None)
    return bool(address)


def _reasons(context: dg.RunFailureSensorContext) -> list[str]:
    failed = [
        f"Check {check.check_name} of {check.asset_key.to_user_string()}: {check.description or 'failed'}."
        for check in checks_done(context.instance, context.dagster_run.run_id)
        if check.blocking and not check.passed
    ]
    errors = [
        f"{event.step_key}: {cause(event.step_failure_data.error)}" for event in context.get_step_failure_events()
    ]
    return failed or errors or [context.failure_event.message or "no reason given"]


def _what_stays(pipeline: PipelineResource) -> str:
    try:
        manifest = snapshots.latest_manifest(pipeline.data_root.published)
    except PipelineError as error:
        return f"Readers are not well served: {error}"
    if manifest is None:
        return "Nothing is published."
    return f"Readers still see snapshot {manifest['sequence']} of {manifest['created']}."


def _request(address: str, body: bytes | None) -> None:
    """Asks for `address`, posting `body` where there is one. Messages never hold the address: it is a secret."""
    if not address.startswith(("https://", "http://")):
        raise ValueError("the address must start with https:// or http://")
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    for tries_left in reversed(range(_TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
                return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 or not tries_left:
                raise
        except OSError:
            if not tries_left:
                raise
        time.sleep(_PAUSE_SECONDS)
