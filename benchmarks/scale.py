"""Measures this pipeline and hand-written peers on the same exports, and writes the table of docs/scale.md.

    python -m benchmarks.scale data --rows 10000000 --folder /big/scale
    python -m benchmarks.scale run --rows 10000000 --folder /big/scale --peers pipeline duckdb_sql --runs 3
    python -m benchmarks.scale increment --rows 100000000 --folder /big/scale
    python -m benchmarks.scale changes --rows 10000000 --folder /big/scale
    python -m benchmarks.scale table --folder /big/scale

Every run is a separate process, one at a time, and appends a line to `results.jsonl` in the folder. A run fails unless
its user_features equal, row by row, those of the first run on the same exports.

Over 250 lines: the command line, one measurement, and the changes of the exports.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.generate_reviews import Population, write_file
from benchmarks.measured_run import measured_run
from benchmarks.peers.task import CLEANED, FEATURES, FEATURES_DONE, REJECTED
from benchmarks.same_features import differences, summary, write_reference
from benchmarks.scale_tables import RESULTS, write_table

INCREMENT_SHARE = 0.01
_INCREMENT, _AGAIN = "1% more rows", ", all again"
_INCREMENT_NAME = "Reviews_increment"
_ROWS_PER_EXPORT = 3_000_000
_MAX_EXPORTS = 33


@dataclass(frozen=True)
class Peer:
    """A program that writes the tables: its module in benchmarks/peers."""

    module: str

    @property
    def is_pipeline(self) -> bool:
        """Whether it is this project, which works in a data root and publishes in a separate run."""
        return self.module == "pipeline"

    def tables(self, out: Path) -> dict[str, str]:
        """Its tables as glob patterns; cleaned_reviews of the pipeline is assembled when read."""
        if self.is_pipeline:
            warehouse = out / "warehouse"
            return {
                "rejected_reviews": f"{warehouse}/partitioned_reviews/*/rejected.parquet",
                "user_features": f"{warehouse}/bucket_states/*/user_features.parquet",
            }
        names = {"cleaned_reviews": CLEANED, "rejected_reviews": REJECTED, "user_features": FEATURES}
        return {table: str(out / name) for table, name in names.items()}


PEERS = {name: Peer(name) for name in ("pipeline", "duckdb_sql", "polars_lazy", "pandas_frames")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a subcommand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    actions = {"data": _data, "run": _run, "increment": _increment, "changes": _changes, "table": _table}
    for name, action in actions.items():
        command = commands.add_parser(name, help=action.__doc__)
        command.set_defaults(action=action)
        command.add_argument("--folder", type=Path, required=True, help="large folder for exports, outputs and results")
        if name == "table":
            continue
        command.add_argument("--rows", type=int, required=True)
        command.add_argument("--format", choices=("parquet", "jsonl", "jsonl.gz"), default="parquet")
        if name == "data":
            command.add_argument(
                "--exports", type=int, help="number of review files; default one per 3 million rows, at most 33"
            )
            continue
        command.add_argument("--memory-mib", type=int, default=4096)
        command.add_argument("--threads", type=int, default=2)
        command.add_argument("--until", choices=("features", "published"), help="measure only this")
        if name == "run":
            command.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
            command.add_argument("--runs", type=int, default=3)
            command.add_argument("--all", action="store_true", help="include the 1%% of additional rows")
    options = parser.parse_args(arguments)
    options.action(options)


def _data(options: argparse.Namespace) -> None:
    """Writes the exports, and an export with 1%% more reviews of the same population."""
    landing, increment = _folder(options, "landing"), _folder(options, "increment")
    increment_rows = round(options.rows * INCREMENT_SHARE)
    population = Population(options.rows + increment_rows)
    shards = options.exports or min(_MAX_EXPORTS, -(-options.rows // _ROWS_PER_EXPORT))
    for folder in (landing, increment):
        folder.mkdir(parents=True)
    for shard in range(shards):
        first, last = (options.rows * (shard + more) // shards for more in (0, 1))
        write_file(population, landing / f"Reviews_{shard:05d}.{options.format}", first, last)
    write_file(population, landing / f"meta_00000.{options.format}", 0, population.items)
    path = increment / f"{_INCREMENT_NAME}.{options.format}"
    write_file(population, path, options.rows, options.rows + increment_rows)


def _run(options: argparse.Namespace) -> None:
    """Runs peers, one after another, each `--runs` times."""
    for _ in range(options.runs):
        for name in options.peers:
            for publish in _runs_of(PEERS[name], options):
                out = _new_out(options, "landing", *(["increment"] if options.all else []))
                _measure(
                    name,
                    options,
                    out,
                    publish=publish,
                    exports=f"{_INCREMENT}{_AGAIN}" if options.all else options.format,
                )
                shutil.rmtree(out)


def _increment(options: argparse.Namespace) -> None:
    """Runs the pipeline on the exports, then on 1%% more in the same data root; compare with `run --all`."""
    for publish in _runs_of(PEERS["pipeline"], options):
        out = _new_out(options, "landing")
        _measure("pipeline", options, out, publish=publish, exports=options.format)
        _link(_folder(options, "increment"), out / "landing")
        _measure("pipeline", options, out, publish=publish, exports=_INCREMENT)
        shutil.rmtree(out)


def _changes(options: argparse.Namespace) -> None:
    """Runs the pipeline after changes of the exports; each result must equal that of an empty warehouse."""
    out = _new_out(options, "landing")
    _measure("pipeline", options, out, publish=False, exports=options.format)
    for label, change in CHANGES.items():
        change(options, out / "landing")
        again = out.with_name("again")
        shutil.rmtree(again, ignore_errors=True)
        _link(out / "landing", again / "landing")
        _measure("pipeline", options, again, publish=False, exports=f"{label}{_AGAIN}")
        _measure("pipeline", options, out, publish=False, exports=label)
        shutil.rmtree(again)
    shutil.rmtree(out)


def _add_batch(options: argparse.Namespace, landing: Path) -> None:
    _link(_folder(options, "increment"), landing)


def _replace_batch(options: argparse.Namespace, landing: Path) -> None:
    """Half of the new batch is the same as before, the other half repeats reviews of the first run."""
    path, half = landing / f"{_INCREMENT_NAME}.{options.format}", round(options.rows * INCREMENT_SHARE / 2)
    path.unlink()
    write_file(Population(options.rows + 2 * half), path, options.rows - half, options.rows + half)


def _repeat_batch(options: argparse.Namespace, landing: Path) -> None:
    count = round(options.rows * INCREMENT_SHARE)
    path = landing / f"Reviews_repeated.{options.format}"
    write_file(Population(options.rows + count), path, options.rows - count, options.rows)


def _remove_batch(options: argparse.Namespace, landing: Path) -> None:
    (landing / f"{_INCREMENT_NAME}.{options.format}").unlink()


def _change_prices(options: argparse.Namespace, landing: Path) -> None:
    path = landing / f"meta_00000.{options.format}"
    path.unlink()
    population = Population(options.rows + round(options.rows * INCREMENT_SHARE))
    write_file(population, path, 0, population.items - population.items // 100)


CHANGES: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    _INCREMENT: _add_batch,
    "1% replaced": _replace_batch,
    "1% repeated": _repeat_batch,
    "1% removed": _remove_batch,
    "1% of the items without price": _change_prices,
}
"""Changes of the exports on five days, one after another."""


def _table(options: argparse.Namespace) -> None:
    """Writes the medians of all results into docs/scale.md."""
    write_table(options.folder / RESULTS, Path(__file__).parent.parent / "docs" / "scale.md")


def _runs_of(peer: Peer, options: argparse.Namespace) -> list[bool]:
    """Whether to publish, for each run needed; one run of a hand-written peer gives both figures."""
    if options.until:
        return [options.until == "published"]
    return [False, True] if peer.is_pipeline else [True]


def _measure(name: str, options: argparse.Namespace, out: Path, *, publish: bool, exports: str) -> None:
    """Runs a peer and appends to the results; exits if it fails or its tables differ from the first run's."""
    peer, temporary = PEERS[name], _folder(options, "temporary")
    command = [sys.executable, "-m", f"benchmarks.peers.{peer.module}", "--landing", out / "landing", "--out", out]
    command += ["--temporary", temporary, "--threads", options.threads, "--memory-mib", options.memory_mib]
    command += ["--publish"] if publish else []
    threads = {name: str(options.threads) for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")}
    environment = {**os.environ, **threads, "AMZSEG_PLOTS": "off"}
    environment["DAGSTER_HOME"] = str(out / "dagster")
    load = os.getloadavg()[0]
    measured = measured_run(
        [str(argument) for argument in command], environment=environment, temporary=temporary, line=FEATURES_DONE
    )
    shutil.rmtree(temporary, ignore_errors=True)
    if measured.exit_code:
        sys.exit(f"{name} ended with {measured.exit_code}")
    tables = peer.tables(out)
    reference = _folder(options, f"reference_{_slug(exports.removesuffix(_AGAIN))}.parquet")
    if not reference.exists():
        write_reference(tables["user_features"], reference)
    differing = differences(tables["user_features"], reference)
    result: dict[str, Any] = {
        "peer": name,
        "rows": options.rows,
        "exports": exports,
        "to_features": asdict(measured.to_line) if measured.to_line else None,
        "to_published": asdict(measured.total) if publish else None,
        "memory_mib": measured.memory_mib,
        "temporary_mib": measured.temporary_mib,
        "export_bytes": sum(path.stat().st_size for path in (out / "landing").iterdir()),
        "tables_mib": _mib(out, without=out / "landing"),
        "tables": summary(tables),
        "differing_users": differing,
        "load_before": load,
        "limits": {"threads": options.threads, "memory_mib": options.memory_mib},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if differing:
        sys.exit(f"{name}: {differing:,} users differ from the first run: {result}")
    with (options.folder / RESULTS).open("a", encoding="utf-8") as results:
        results.write(json.dumps(result) + "\n")
    print(json.dumps(result), flush=True)


def _folder(options: argparse.Namespace, name: str) -> Path:
    return Path(options.folder, f"{options.rows}_{options.format}", name)


def _new_out(options: argparse.Namespace, *exports: str) -> Path:
    out = _folder(options, "out")
    shutil.rmtree(out, ignore_errors=True)
    for name in exports:
        _link(_folder(options, name), out / "landing")
    return out


def _link(exports: Path, landing: Path) -> None:
    """Hard links: symbolic links are not followed, and copies would use the disk twice."""
    landing.mkdir(parents=True, exist_ok=True)
    for path in exports.iterdir():
        (landing / path.name).hardlink_to(path)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower())


def _mib(folder: Path, *, without: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(without))
    return sum(path.stat().st_size for path in files) // 2**20


if __name__ == "__main__":
    main()
