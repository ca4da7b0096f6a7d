"""What a run has made and checked so far, read from its own events, and what it says of itself in its tags.

Nothing is decided here but whether the run is whole: one run makes everything that a snapshot holds.
"""

from collections.abc import Iterator

import dagster as dg

from amzseg_pipeline.contracts.errors import SnapshotError

TAG_CHARACTERS = 400


def checks_done(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks that the run has evaluated, in their order."""
    logged = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [entry.get_dagster_event().asset_check_evaluation_data for entry in logged]


def tag_run(instance: dg.DagsterInstance, run_id: str, **words: str) -> None:
    """Sets the tags `amzseg/<name>` of the run, which the list of runs shows."""
    cut = {f"amzseg/{name}": text[:TAG_CHARACTERS] for name, text in words.items()}
    instance.add_run_tags(run_id, cut)


def require_complete_run(context: dg.AssetExecutionContext) -> None:
    """Raises SnapshotError unless this run made every asset upstream, and each of their blocking checks passed.

    Dagster lets a step go on where a blocking check gave no result, and a part of the assets can be materialised alone
    or again from a failure: tables of different nights would be published as one.
    """
    graph = context.job_def.asset_layer.asset_graph
    upstream = set(_upstream(context))
    logged = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    made = {entry.get_dagster_event().asset_key for entry in logged}
    passed = {check.asset_check_key for check in checks_done(context.instance, context.run.run_id) if check.passed}
    blocking = {key for key in graph.asset_check_keys if key.asset_key in upstream and graph.get(key).blocking}
    lacking = [
        *(f"{key.to_user_string()} is not of this run" for key in sorted(upstream - made)),
        *(f"check {key.name} of {key.asset_key.to_user_string()} has not passed" for key in sorted(blocking - passed)),
    ]
    if lacking:
        raise SnapshotError(
            f"{context.asset_key.to_user_string()}: {'; '.join(lacking)}. A snapshot is made by one run alone: launch "
            'the job segment_users (with "force: true" where nothing changed).'
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
