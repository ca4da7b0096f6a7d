"""What a run has materialized and checked so far, read from its events, and the tags it sets on itself."""

from typing import Any

import dagster as dg

from amzseg_pipeline.cli.console_log import cause
from amzseg_pipeline.contracts.errors import SnapshotError

MAX_TAG_CHARACTERS = 400
_MAX_CHECK_RECORDS = 20


def evaluated_checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks that the run has evaluated, in order."""
    events = _events(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [event.asset_check_evaluation_data for event in events]


def check_records(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """The same as plain JSON values, for run.json."""
    return [
        {
            "asset": check.asset_key.to_user_string(),
            "check": check.check_name,
            "passed": check.passed,
            "blocking": check.blocking,
            "description": check.description,
        }
        for check in evaluated_checks(instance, run_id)
    ]


def tag_run(instance: dg.DagsterInstance, run_id: str, **tags: str) -> None:
    """Sets the tags `amzseg/<name>` of the run; the list of runs shows them."""
    instance.add_run_tags(run_id, {f"amzseg/{name}": text[:MAX_TAG_CHARACTERS] for name, text in tags.items()})


def failure_reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why a run failed: its failed blocking checks, else its failed steps, else the error that ended the run."""
    checks = [
        f"Check {check.check_name} of {check.asset_key.to_user_string()}: {check.description or 'failed'}."
        for check in evaluated_checks(instance, run_id)
        if check.blocking and not check.passed
    ]
    if checks:
        return checks
    steps = [
        f"{event.step_key}: {cause(event.step_failure_data.error)}"
        for event in _events(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    ]
    if steps:
        return steps
    runs = _events(instance, run_id, dg.DagsterEventType.RUN_FAILURE)
    # A run whose process crashed has no data of its failure, only the message of the monitoring.
    return [
        (cause(event.job_failure_data.error) if event.event_specific_data else "") or event.message or "no reason given"
        for event in runs
    ]


def keep_check_results(instance: dg.DagsterInstance, run_id: str) -> None:
    """Reports the latest result of each check that this run planned and does not evaluate, because nothing changed.

    Without that the UI would show every check of a skipped run as not evaluated.
    """
    planned = _events(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED)
    for key in {event.asset_check_planned_data.asset_check_key for event in planned}:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=_MAX_CHECK_RECORDS)
        for record in records:
            event = record.event.dagster_event if record.event else None
            if event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                instance.report_runless_asset_event(event.asset_check_evaluation_data)
                break


def require_consistent_tables(instance: dg.DagsterInstance, run_id: str, *, asset_key: dg.AssetKey) -> None:
    """Raises SnapshotError unless the tables upstream of an asset belong together and their blocking checks passed.

    This run must have materialized every upstream asset of the group segments, because they depend on the previous
    snapshot. Reviews and users may come from earlier runs, if none is older than the tables that it is made of. Without
    this rule a snapshot could mix tables of several runs: Dagster materializes assets one by one if asked to, and
    continues if a blocking check gave no result.
    """
    from amzseg_pipeline.definitions import defs

    graph = defs.resolve_asset_graph()
    upstream = _upstream(graph, asset_key)
    entries = instance.get_latest_materialization_events(sorted(upstream))
    latest = {key: entry for key, entry in entries.items() if entry is not None}
    needed = {key for key in upstream if graph.get(key).group_name == "segments"}
    missing = {key for key in upstream if key not in latest or (key in needed and latest[key].run_id != run_id)}
    stale = {
        (key, parent)
        for key in upstream - missing
        for parent in graph.get(key).parent_keys - missing
        if latest[key].timestamp < latest[parent].timestamp
    }
    passed = {
        (check.asset_check_key, run)
        for run in {entry.run_id for entry in latest.values()}
        for check in evaluated_checks(instance, run)
        if check.passed
    }
    failed = [
        key
        for key in graph.asset_check_keys
        if key.asset_key in upstream - missing
        and graph.get(key).blocking
        and (key, latest[key.asset_key].run_id) not in passed
    ]
    reasons = [
        *(
            [f"this run did not materialize {', '.join(key.to_user_string() for key in sorted(missing))}"]
            * bool(missing)
        ),
        *(f"{key.to_user_string()} is older than {parent.to_user_string()}" for key, parent in sorted(stale)),
        *(f"check {key.name} of {key.asset_key.to_user_string()} has not passed" for key in sorted(failed)),
    ]
    if reasons:
        raise SnapshotError(
            f"{asset_key.to_user_string()}: {'; '.join(reasons)}. Launch the job segment_users (with force: true if "
            "nothing changed), or materialize user_features+, which is user_features and everything downstream."
        )


def _events(instance: dg.DagsterInstance, run_id: str, event_type: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=event_type)]


def _upstream(graph: Any, asset_key: dg.AssetKey) -> set[dg.AssetKey]:
    seen: set[dg.AssetKey] = set()
    waiting = [asset_key]
    while waiting:
        key = waiting.pop()
        parents = (graph.get(key).parent_keys if graph.has(key) else set()) - seen
        seen |= parents
        waiting += parents
    return seen
