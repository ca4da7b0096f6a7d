"""Measures "reviews to published segments" beside peers on the same files, and writes the tables of docs/scale.md.

    python -m benchmarks.scale data --rows 10000000 --folder /big/scale
    python -m benchmarks.scale run --rows 10000000 --folder /big/scale --peers ours duckdb_sql --runs 3
    python -m benchmarks.scale night --rows 100000000 --folder /big/scale
    python -m benchmarks.scale table --folder /big/scale

Every run is a process of its own, one at a time; its line of JSON goes to `results.jsonl` in the folder. A run counts
only where its user_features are, row by row, those of the first run on the same files.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.generate_reviews import Population, write_file
from benchmarks.peers.task import CLEANED, FEATURES, FEATURES_DONE, REJECTED
from benchmarks.same_features import differences, facts, keep
from benchmarks.scale_tables import RESULTS, write_tables
from benchmarks.watching import watched

NIGHT_SHARE = 0.01
_NIGHT, _ALL = "a night of 1 % more", "all at once"
_ROWS_PER_EXPORT = 3_000_000
_MOST_EXPORTS = 33


@dataclass(frozen=True)
class Peer:
    """The module that is run, and what its process finds in the environment."""

    module: str
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it works in a data root; its tables and its segments are then runs of their own."""
        return self.module == "ours"

    def tables(self, out: Path) -> dict[str, str]:
        """Where its tables lie, as patterns of paths; our cleaned reviews are put together when they are read."""
        if self.is_ours:
            warehouse = out / "warehouse"
            return {
                "rejected_reviews": f"{warehouse}/routed_reviews/*/rejected.parquet",
                "user_features": f"{warehouse}/user_features/*/*.parquet",
            }
        names = {"cleaned_reviews": CLEANED, "rejected_reviews": REJECTED, "user_features": FEATURES}
        return {table: str(out / name) for table, name in names.items()}


PEERS = {
    "ours": Peer("ours"),
    "duckdb_sql": Peer("duckdb_sql"),
    "polars_lazy": Peer("polars_lazy"),
    "pandas_frames": Peer("pandas_frames"),
    "ours_on_spark": Peer("ours", (("AMZSEG_ENGINE", "spark"),)),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Does the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, action in (("data", _data), ("run", _run), ("night", _night), ("table", _table)):
        command = commands.add_parser(name, help=action.__doc__)
        command.set_defaults(action=action)
        command.add_argument("--folder", type=Path, required=True, help="holds exports, outputs and results; large")
        if name == "table":
            continue
        command.add_argument("--rows", type=int, required=True)
        command.add_argument("--format", choices=("parquet", "jsonl.gz"), default="parquet")
        if name == "data":
            command.add_argument("--exports", type=int, help="files of reviews; one for 3 million rows, at most 33")
            continue
        command.add_argument("--memory-mib", type=int, default=4096)
        command.add_argument("--threads", type=int, default=2)
        command.add_argument("--until", choices=("features", "published"), help="leave the other figure out")
        if name == "run":
            command.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
            command.add_argument("--runs", type=int, default=3)
            command.add_argument("--all", action="store_true", help="read the night's exports as well")
    options = parser.parse_args(arguments)
    options.action(options)


def _data(options: argparse.Namespace) -> None:
    """Writes the exports, and beside them the night's: 1 % more reviews by the same population."""
    landing = _place(options, "landing")
    night_rows = round(options.rows * NIGHT_SHARE)
    population = Population(options.rows + night_rows)
    shards = options.exports or min(_MOST_EXPORTS, -(-options.rows // _ROWS_PER_EXPORT))
    for folder in (landing, _place(options, "night")):
        folder.mkdir(parents=True)
    for shard in range(shards):
        first, last = (options.rows * (shard + more) // shards for more in (0, 1))
        write_file(population, landing / f"Reviews_{shard:05d}.{options.format}", first, last)
    write_file(population, landing / f"meta_00000.{options.format}", 0, population.items)
    tonight = _place(options, "night") / f"Reviews_night.{options.format}"
    write_file(population, tonight, options.rows, options.rows + night_rows)


def _run(options: argparse.Namespace) -> None:
    """Runs peers, one after another, each `--runs` times."""
    for _ in range(options.runs):
        for name in options.peers:
            for publish in _runs_of(PEERS[name], options):
                out = _new_out(options, "landing", *(["night"] if options.all else []))
                _measure(name, options, out, publish=publish, exports=_ALL if options.all else options.format)
                shutil.rmtree(out)


def _night(options: argparse.Namespace) -> None:
    """Runs ours on the exports, then on 1 % more in the same data root: compare with `run --all`."""
    for publish in _runs_of(PEERS["ours"], options):
        out = _new_out(options, "landing")
        _measure("ours", options, out, publish=publish, exports=options.format)
        _link(_place(options, "night"), out / "landing")
        _measure("ours", options, out, publish=publish, exports=_NIGHT)
        shutil.rmtree(out)


def _table(options: argparse.Namespace) -> None:
    """Writes the medians of all results to docs/scale.md."""
    write_tables(options.folder / RESULTS, Path(__file__).parent.parent)


def _runs_of(peer: Peer, options: argparse.Namespace) -> list[bool]:
    """Whether to go on to segments, for each run that gives the figures wanted: a peer's gives both."""
    if options.until:
        return [options.until == "published"]
    return [False, True] if peer.is_ours else [True]


def _measure(name: str, options: argparse.Namespace, out: Path, *, publish: bool, exports: str) -> None:
    """Runs a peer and adds a line to the results. SystemExit where it fails, or its tables differ from the first's."""
    peer, temporary = PEERS[name], _place(options, "temporary")
    command = [sys.executable, "-m", f"benchmarks.peers.{peer.module}", "--landing", out / "landing", "--out", out]
    command += ["--temporary", temporary, "--threads", options.threads, "--memory-mib", options.memory_mib]
    command += ["--publish"] if publish else []
    threads = {name: str(options.threads) for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")}
    environment = {**os.environ, **threads, "AMZSEG_PLOTS": "off", **dict(peer.environment)}
    environment["DAGSTER_HOME"] = str(out / "dagster")
    load = os.getloadavg()[0]
    took = watched([str(part) for part in command], environment=environment, temporary=temporary, line=FEATURES_DONE)
    shutil.rmtree(temporary, ignore_errors=True)
    if took.exit_code:
        sys.exit(f"{name} ended with {took.exit_code}")
    tables = peer.tables(out)
    reference = _place(options, f"reference{'' if exports == options.format else '_night'}.parquet")
    if not reference.exists():
        keep(tables["user_features"], reference)
    differing = differences(tables["user_features"], reference)
    result: dict[str, Any] = {
        "peer": name,
        "rows": options.rows,
        "exports": exports,
        "to_features": asdict(took.to_line) if took.to_line else None,
        "to_published": asdict(took.whole) if publish else None,
        "memory_mib": took.memory_mib,
        "temporary_mib": took.temporary_mib,
        "tables_mib": _mib(out, without=out / "landing"),
        "made": facts(tables),
        "differing_users": differing,
        "load_before": load,
        "limits": {"threads": options.threads, "memory_mib": options.memory_mib},
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if differing:
        sys.exit(f"{name}: {differing:,} users have other features than in the first run: {result}")
    with (options.folder / RESULTS).open("a", encoding="utf-8") as results:
        results.write(json.dumps(result) + "\n")
    print(json.dumps(result), flush=True)


def _place(options: argparse.Namespace, name: str) -> Path:
    return Path(options.folder, f"{options.rows}_{options.format}", name)


def _new_out(options: argparse.Namespace, *exports: str) -> Path:
    out = _place(options, "out")
    shutil.rmtree(out, ignore_errors=True)
    for name in exports:
        _link(_place(options, name), out / "landing")
    return out


def _link(exports: Path, landing: Path) -> None:
    """The same files under other names: links would not be followed, copies would take the disk twice."""
    landing.mkdir(parents=True, exist_ok=True)
    for path in exports.iterdir():
        (landing / path.name).hardlink_to(path)


def _mib(folder: Path, *, without: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(without))
    return sum(path.stat().st_size for path in files) // 2**20


if __name__ == "__main__":
    main()
