"""Runs the pipeline from a shell, goes back to an earlier snapshot, forgets a user, and tells what happened.

No asset and no rule here: it starts the same job as the schedule.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import dagster as dg
import pandas as pd
from filelock import FileLock, Timeout

from amzseg_pipeline.cli.console_log import line_per_asset
from amzseg_pipeline.contracts.errors import PipelineError, SettingsError, SnapshotError
from amzseg_pipeline.contracts.users import FEATURE_COLUMNS
from amzseg_pipeline.storage.data_root import (
    DataRoot,
    data_root_from_environment,
    settings_of,
    user_keys_from_environment,
)
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.previous_run import PROMOTION_STATE_KEY, previous_run
from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest, repoint


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 when the run succeeded, published or not, or what was asked was done; 1 when it failed."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(data_root_from_environment(), options))
    except PipelineError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m amzseg_pipeline", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="materialise every asset on the exports in landing/")
    run.set_defaults(action=_run)
    run.add_argument("-v", "--verbose", action="store_true", help="print every event of the run")
    run.add_argument("--force", action="store_true", help="run even where nothing changed since the last snapshot")
    run.add_argument("--train", action="store_true", help="train a challenger, whatever the calendar says")
    run.add_argument("--approve", default="", metavar="VERSION", help="let the model that waits take its place")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting for this run")
    rollback = commands.add_parser("rollback", help="make an earlier snapshot the one readers see")
    rollback.set_defaults(action=_rollback)
    rollback.add_argument("sequence", type=int, help="number of the snapshot")
    erasing = commands.add_parser("erase", help="erase a user whom no export holds any more")
    erasing.set_defaults(action=_erase)
    erasing.add_argument("user_id", help="the user's id as the exports had it")
    return parser


def _rollback(data_root: DataRoot, options: argparse.Namespace) -> int:
    if not data_root.published.is_dir():
        raise SnapshotError(
            f"{data_root.published}: nothing has been published yet, so there is nothing to go back to."
        )
    data_root.local.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(data_root.lock_file).acquire(timeout=0):
            snapshot = repoint(data_root.published, options.sequence)
            needed = previous_run(data_root).promotion_state.approval_needed
    except Timeout:
        raise SnapshotError(f"{data_root.lock_file}: a run is under way; wait for its end, then go back.") from None
    print(f"Readers see snapshot {snapshot.sequence} of {_moment(snapshot)} again, of model {snapshot.model_version}.")
    print("The next run goes on from it with the exports that are in landing/; take bad ones out before.")
    if needed:
        print(f"{needed[0].upper()}{needed[1:]}.")
    return 0


def _erase(data_root: DataRoot, options: argparse.Namespace) -> int:
    result = erase(data_root, options.user_id, keys=user_keys_from_environment())
    for snapshot in result.snapshots:
        became = "" if snapshot.was == snapshot.sequence else f" and is now snapshot {snapshot.sequence}"
        print(f"snapshot {snapshot.was} was written again without {snapshot.users} user(s){became}")
    for name in result.deleted:
        print(f"{name}/ was deleted")
    print(
        f"The user's id stands nowhere in {data_root.root} any more. "
        "Backups, downloads and copies elsewhere are yours to see to."
    )
    return 0


def _run(data_root: DataRoot, options: argparse.Namespace) -> int:
    settings = dict(_assignment(text) for text in options.set)
    settings_of(data_root, overrides=settings)
    config = {"settings": settings, "force": options.force, "train": options.train, "approve": options.approve}
    result = _execute(data_root, pipeline=config, verbose=options.verbose)
    if not result.success:
        has_any = has_snapshot(data_root.root)
        seen = f"readers see snapshot {read_latest(data_root.root).sequence}" if has_any else "nothing is published"
        print(f"\nThe run failed; {seen}.", file=sys.stderr)
        return 1
    latest = read_latest(data_root.root)
    if latest.run_id != result.run_id:
        print(f"\nNothing changed since snapshot {latest.sequence}: nothing new is published.")
    print(_summary(latest))
    return 0


def _execute(data_root: DataRoot, *, pipeline: dict[str, Any], verbose: bool) -> dg.ExecuteInProcessResult:
    data_root.dagster.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(data_root.dagster))
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    loggers = {} if verbose else {"console": line_per_asset}
    job = dg.Definitions.merge(_definitions(), dg.Definitions(loggers=loggers)).resolve_job_def("segment_users")
    with _instance(data_root) as instance:
        if not verbose:
            # A skipped run makes Dagster warn of each check that had nothing to check.
            logging.getLogger("dagster._core.execution").setLevel(logging.ERROR)
        return job.execute_in_process(
            run_config={
                "resources": {"pipeline": {"config": pipeline}},
                "loggers": {"console": {"config": {"log_level": "DEBUG"}} if verbose else {}},
            },
            instance=instance,
            raise_on_error=False,
        )


def _definitions() -> dg.Definitions:
    from amzseg_pipeline.definitions import defs

    return defs


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: give a setting as NAME=VALUE.")
    return name.strip(), value.strip()


def _summary(snapshot: Snapshot) -> str:
    profiles = snapshot.segment_profiles()
    units = {"stars": "stars", "percent": "%", "currency of the source": snapshot.currency or ""}
    heads = [f"{column.name} {units.get(column.unit, '')}".strip() for column in FEATURE_COLUMNS]
    lines = ["", f"{'segment':<30}{'users':>12}{'share':>8}" + "".join(f"{head:>{len(head) + 2}}" for head in heads)]
    for segment in profiles.itertuples():
        means = [_number(getattr(segment, column.name)) for column in FEATURE_COLUMNS]
        lines += [
            f"{segment.segment_id} {segment.segment_name:<24}{segment.users:>12,}{segment.share:>8.1%}"
            + "".join(f"{mean:>{len(head) + 2}}" for mean, head in zip(means, heads, strict=True)),
            f"      {segment.strategy}",
        ]
    place = snapshot.table_path("segment_assignments")
    told = f"snapshot {snapshot.sequence} of {_moment(snapshot)}, {profiles['users'].sum():,} users:"
    return "\n".join([*lines, "", *_model_lines(snapshot), told, f"  {place}"])


def _model_lines(snapshot: Snapshot) -> list[str]:
    """What the gate decided, and how to approve a model that waits."""
    run = snapshot.run()
    if "promotion" not in run:  # published by code of before
        return []
    gate, pending = run["promotion"], run[PROMOTION_STATE_KEY]["pending"]
    lines = [f"model {snapshot.model_version}, {gate['decision']}: {gate['reason']}"]
    if pending:
        version = pending["model"]["version"]
        lines += [
            f"model {version} waits for a person: {pending['report']['reason']}; to approve it:",
            f"  python -m amzseg_pipeline run --approve {version}",
        ]
    return lines


def _moment(snapshot: Snapshot) -> str:
    return f"{snapshot.created:%Y-%m-%d %H:%M} UTC"


def _number(value: float) -> str:
    return "unknown" if pd.isna(value) else f"{value:,.2f}"


def _instance(data_root: DataRoot) -> dg.DagsterInstance:
    """Dagster's record of runs. Two runs at once would each create its tables, and one would fail: one waits here."""
    with FileLock(data_root.dagster / ".record.lock"):
        instance = dg.DagsterInstance.get()
        instance.get_runs_count()
        instance.all_asset_keys()
        return instance
