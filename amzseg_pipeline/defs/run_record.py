"""What a run has materialized and checked so far, read from its events, and the tags it sets on itself."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.errors import SnapshotError

MAX_TAG_CHARACTERS = 400


def evaluated_checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks that the run has evaluated, in order."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [entry.get_dagster_event().asset_check_evaluation_data for entry in entries]


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


def require_complete_run(context: dg.AssetExecutionContext) -> None:
    """Raises SnapshotError unless this run materialized every upstream asset and their blocking checks passed.

    Dagster continues where a blocking check gave no result, and assets can be materialized one by one or from the
    point of failure; without this rule a snapshot could mix tables of several runs.
    """
    graph = context.job_def.asset_layer.asset_graph
    upstream = set(_upstream(context))
    entries = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    materialized = {entry.get_dagster_event().asset_key for entry in entries}
    evaluated = evaluated_checks(context.instance, context.run.run_id)
    passed = {check.asset_check_key for check in evaluated if check.passed}
    blocking = {key for key in graph.asset_check_keys if key.asset_key in upstream and graph.get(key).blocking}
    missing = [
        *(f"this run did not materialize {key.to_user_string()}" for key in sorted(upstream - materialized)),
        *(f"check {key.name} of {key.asset_key.to_user_string()} has not passed" for key in sorted(blocking - passed)),
    ]
    if missing:
        raise SnapshotError(
            f"{context.asset_key.to_user_string()}: {'; '.join(missing)}. A snapshot comes from one run: launch the "
            'job segment_users (with "force: true" if nothing changed).'
        )


def _upstream(context: dg.AssetExecutionContext) -> Iterator[dg.AssetKey]:
    graph = context.job_def.asset_layer.asset_graph
    seen = {context.asset_key}
    waiting = [context.asset_key]
    while waiting:
        key = waiting.pop()
        parents = graph.get(key).parent_keys if graph.has(key) else set()
        for parent in parents - seen:
            seen.add(parent)
            waiting.append(parent)
            yield parent
