"""The command `amzseg`: runs the pipeline, inspects an export, restores an earlier snapshot, erases a user, and prunes.

`run` and `prune` execute the same jobs as the schedules.

Over 250 lines: a third of them are help texts.
"""

import argparse
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
from filelock import FileLock

from amzseg_pipeline.cli.console_log import line_per_asset
from amzseg_pipeline.contracts.errors import PipelineError, RefusedInput, SettingsError
from amzseg_pipeline.contracts.users import FEATURE_COLUMNS
from amzseg_pipeline.presentation.segment_texts import k_confidence_text
from amzseg_pipeline.steps.run_document import PROMOTION_STATE_KEY
from amzseg_pipeline.storage.data_root import (
    DataRoot,
    data_root_from_environment,
    settings_of,
    user_keys_from_environment,
)
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.fs.object_store import store_of
from amzseg_pipeline.storage.landing.inspection import inspection_lines
from amzseg_pipeline.storage.landing.scan.listing import landing_listing
from amzseg_pipeline.storage.serving.plots import REPORT_FILE
from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest

_DESCRIPTION = "Segments customers from the review exports in landing/ of the data root."
_EPILOG = "The data root is AMZSEG_DATA, or data/ in the current folder. `amzseg COMMAND --help` explains a command."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns 0 if it succeeded, published or not, and 1 if it failed."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.action(data_root_from_environment(), options))
    except PipelineError as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="amzseg", description=_DESCRIPTION, epilog=_EPILOG)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(name: str, action: Any, text: str, details: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {details}".strip())
        added.set_defaults(action=action)
        return added

    run = command(
        "run",
        _run,
        "run the pipeline and publish a snapshot",
        "Does nothing if exports, code and settings are those of the latest snapshot.",
    )
    run.add_argument("-v", "--verbose", action="store_true", help="print every event of the run")
    run.add_argument("--force", action="store_true", help="run although nothing changed")
    run.add_argument("--train", action="store_true", help="train a challenger model now instead of once a week")
    run.add_argument("--approve", default="", metavar="VERSION", help="promote the pending model of this version")
    run.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting for this run only, for example k=4; repeat for more",
    )
    rollback = command(
        "rollback",
        _rollback,
        "show readers an earlier snapshot again",
        "The next run continues from it. Remove bad exports from landing/ first.",
    )
    rollback.add_argument("sequence", type=int, metavar="SNAPSHOT", help="number of the snapshot, for example 12")
    inspect = command(
        "inspect",
        _inspect,
        "show how a file would be read, without running",
        "Prints format, columns, first values, counts and assumptions.",
    )
    inspect.add_argument("path", type=Path, metavar="FILE", help="the export, or a folder of exports")
    erasure = command(
        "erase",
        _erase,
        "erase a user from snapshots, warehouse and plots",
        "Remove the user from the exports in landing/ first.",
    )
    erasure.add_argument("user_id", metavar="USER_ID", help="the user's id as the exports have it")
    command(
        "prune",
        _prune,
        "delete old run history, and plots of deleted snapshots",
        "The setting keep_run_days says how long run history is kept.",
    )
    return parser


def _inspect(data_root: DataRoot, options: argparse.Namespace) -> int:
    """Prints what a run would read from a file, or from each file of a folder."""
    settings, path, now = settings_of(data_root), options.path, time.time()
    names, refused = {path: path.name}, []
    if path.is_dir():
        listing = landing_listing(path, now=now, settle_seconds=None)
        names = {path / listed.path: listed.path for listed in listing.files}
        refused = [f"{file.path}: {file.reason}" for file in listing.refused]
        for skipped in listing.skipped:
            print(f"{skipped.path}: a run skips this file: {skipped.reason}")
    for file, name in names.items():
        try:
            print(
                "\n".join(inspection_lines(file, settings, now=now, name=name)), end="\n\n" if len(names) > 1 else "\n"
            )
        except RefusedInput as refusal:
            refused.append(str(refusal))
    for reason in refused:
        print(f"refused: {reason}", file=sys.stderr)
    return int(bool(refused))


def _rollback(data_root: DataRoot, options: argparse.Namespace) -> int:
    from amzseg_pipeline.defs.maintenance import rolled_back_to

    snapshot, approval_needed = rolled_back_to(data_root, options.sequence)
    name = f"snapshot {snapshot.sequence} of {_creation_time(snapshot)}"
    print(f"Readers see {name} again, with model {snapshot.model_version}.")
    print("The next run continues from it with the exports in landing/; remove bad ones first.")
    if approval_needed:
        print(f"{approval_needed[0].upper()}{approval_needed[1:]}.")
    return 0


def _erase(data_root: DataRoot, options: argparse.Namespace) -> int:
    result = erase(data_root, options.user_id, keys=user_keys_from_environment())
    for snapshot in result.snapshots:
        print(
            f"snapshot {snapshot.sequence}: replaced by revision {snapshot.revision} without {snapshot.users} user(s)"
        )
    if not result.snapshots:
        print("No kept snapshot has this id; check its spelling, upper and lower case included.")
    for name in result.deleted:
        print(f"{name}/ was deleted")
    if result.exports.unreadable_records:
        print(f"{result.exports.unreadable_records:,} records in landing/ cannot be read, so they were not searched.")
    for path in result.exports.refused:
        print(f"{path}: no run can read this file; it was searched as plain text only.")
    if result.snapshots or result.deleted:
        print(f"The user's id is no longer in {data_root.root}. Backups and downloads are your responsibility.")
        if os.environ.get("AMZSEG_DELIVER_URL"):
            print("The database of AMZSEG_DELIVER_URL still has the user until the next run.")
    else:
        print(
            f"No file in {data_root.root} contains this id, so nothing was changed. If you expected one, check the "
            "spelling: upper and lower case are different users."
        )
    return 0


def _prune(data_root: DataRoot, _: argparse.Namespace) -> int:
    return 0 if _execute(data_root, job_name="prune", config={"loggers": {"console": {}}}, verbose=False).success else 1


def _run(data_root: DataRoot, options: argparse.Namespace) -> int:
    from amzseg_pipeline.defs.change_detection import DELIVERY_ASSET
    from amzseg_pipeline.defs.launch_checks import require_pending
    from amzseg_pipeline.storage.serving.delivery import delivery_url, undelivered_snapshot

    given = dict(_assignment(text) for text in options.set)
    settings = settings_of(data_root, overrides=given)
    _require_landing(data_root)
    if options.approve:
        require_pending(data_root, options.approve)
    config = {
        "settings": {name: getattr(settings, name) for name in given},
        "force": options.force,
        "train": options.train,
        "approve": options.approve,
    }
    result = _execute(data_root, job_name="segment_users", config=config, verbose=options.verbose)
    if not result.success:
        seen = "nothing is published"
        if has_snapshot(data_root.root):
            seen = f"readers see snapshot {read_latest(data_root.root).sequence}"
        print(f"\nThe run failed; {seen}.", file=sys.stderr)
        return 1
    latest = read_latest(data_root.root)
    is_new = latest.run_id == result.run_id
    if not is_new:
        print(f"\nNothing changed since snapshot {latest.sequence}; no new snapshot is published.")
        if undelivered_snapshot(data_root.published, delivery_url()):
            # An earlier delivery failed, or a rollback or an erasure changed what readers see.
            delivery = _execute(
                data_root, job_name="segment_users", config={}, verbose=options.verbose, only=[DELIVERY_ASSET]
            )
            if not delivery.success:
                print(f"\nThe delivery failed; readers see snapshot {latest.sequence}.", file=sys.stderr)
                return 1
    print(_summary(latest))
    print(_next_steps(data_root, latest))
    return 0


def _require_landing(data_root: DataRoot) -> None:
    """Raises before anything is created: a mistyped path must not become a data root."""
    if not data_root.landing.is_dir():
        is_folder = store_of(data_root.landing) is None
        create = f"create the folder and put exports into it: mkdir -p '{data_root.landing}'"
        raise SettingsError(
            f"{data_root.landing}: there is no such folder.\n  If AMZSEG_DATA is mistyped, correct it.\n"
            f"  For a new data root {create if is_folder else 'upload exports to this address.'}"
        )


def _next_steps(data_root: DataRoot, snapshot: Snapshot) -> str:
    """Where to look at the result: checks, report and app."""
    checks = snapshot.run()["checks"]
    failed = [f"{check['check']} of {check['asset']}" for check in checks if not check["passed"]]
    lines = [f"checks before publishing: {len(checks) - len(failed)} of {len(checks)} passed"]
    lines += [f"  failed: {', '.join(failed)}"] if failed else []
    report = data_root.artifacts / snapshot.run_id / REPORT_FILE
    lines.append(f"report: {report}" if report.exists() else "report: none (plots are off)")
    lines.append("app: make app, then http://127.0.0.1:8501")
    return "\n".join(lines)


def _execute(
    data_root: DataRoot, *, job_name: str, config: Mapping[str, Any], verbose: bool, only: Sequence[str] = ()
) -> dg.ExecuteInProcessResult:
    from amzseg_pipeline.defs.run_record import failure_reasons, tag_run

    data_root.dagster.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(data_root.dagster))
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    console = dg.colored_console_logger.configured({"log_level": "DEBUG"}) if verbose else line_per_asset
    job = dg.Definitions.merge(_definitions(), dg.Definitions(loggers={"console": console})).resolve_job_def(job_name)
    with _instance(data_root) as instance:
        if not verbose:
            # In a skipped run Dagster warns of each check that has nothing to check.
            logging.getLogger("dagster._core.execution").setLevel(logging.ERROR)
        result = job.execute_in_process(
            run_config=dict(config),
            instance=instance,
            asset_selection=[dg.AssetKey(name) for name in only] or None,
            raise_on_error=False,
        )
        if not result.success:
            reasons = failure_reasons(instance, result.run_id)
            tag_run(instance, result.run_id, outcome=f"failed: {' '.join(reasons)}")
        return result


def _definitions() -> dg.Definitions:
    from amzseg_pipeline.definitions import defs

    return defs


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set {text}: give a setting as NAME=VALUE.")
    return name.strip(), value.strip()


def _summary(snapshot: Snapshot) -> str:
    """The segments with their means, the model decision, and the path of the table."""
    profiles = snapshot.segment_profiles()
    units = {"stars": "stars", "percent": "%", "currency of the source": snapshot.currency or ""}
    heads = [f"{column.name} {units.get(column.unit, '')}".strip() for column in FEATURE_COLUMNS]
    lines = ["", f"{'segment':<30}{'users':>12}{'share':>8}" + "".join(f"{head:>{len(head) + 2}}" for head in heads)]
    for segment in profiles.itertuples():
        means = [_mean(getattr(segment, column.name)) for column in FEATURE_COLUMNS]
        lines += [
            f"{segment.segment_id} {segment.segment_name:<24}{segment.users:>12,}{segment.share:>8.1%}"
            + "".join(f"{mean:>{len(head) + 2}}" for mean, head in zip(means, heads, strict=True)),
            f"      {segment.strategy}",
        ]
    users = f"snapshot {snapshot.sequence} of {_creation_time(snapshot)}, {profiles['users'].sum():,} users:"
    return "\n".join([*lines, "", *_model_lines(snapshot), users, f"  {snapshot.table_path('segment_assignments')}"])


def _model_lines(snapshot: Snapshot) -> list[str]:
    """The promotion decision, and how to approve a pending model."""
    run = snapshot.run()
    if "promotion" not in run:  # published by an older version
        return []
    report, pending = run["promotion"], run[PROMOTION_STATE_KEY]["pending"]
    choice = run.get("k")
    lines = [f"{choice['k']} segments, {k_confidence_text(choice)}"] if choice else []
    lines.append(f"model {snapshot.model_version}, {report['decision']}: {report['reason']}")
    if pending:
        version = pending["model"]["version"]
        lines += [
            f"model {version} is pending approval: {pending['report']['reason']}; to approve it:",
            f"  amzseg run --approve {version}",
        ]
    return lines


def _creation_time(snapshot: Snapshot) -> str:
    return f"{snapshot.created:%Y-%m-%d %H:%M} UTC"


def _mean(value: float) -> str:
    return "unknown" if pd.isna(value) else f"{value:,.2f}"


def _instance(data_root: DataRoot) -> dg.DagsterInstance:
    """Dagster's instance. It is created under a lock, because two processes cannot create its tables at once."""
    with FileLock(data_root.dagster / ".record.lock"):
        instance = dg.DagsterInstance.get()
        instance.get_runs_count()
        instance.all_asset_keys()
        return instance
