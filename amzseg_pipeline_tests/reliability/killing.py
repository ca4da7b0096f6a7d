"""Real runs killed with SIGKILL while readers poll: torn reads, leftovers, and the outcome of the next run."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

PROJECT = Path(__file__).parents[2]
SETTINGS: Mapping[str, object] = {**scenario.QUICK, "keep_snapshots": 3, "keep_snapshot_hours": 0}

TRIGGER_FILES = (
    "warehouse/raw_reviews/.*.tmp",
    "warehouse/partitioned_reviews/.*.tmp",
    "warehouse/bucket_states/.*.tmp",
    "warehouse/segment_assignments/.*.tmp",
    "published/.staging/*/segment_assignments.parquet",
    "published/.staging/*/datapackage.json",
    "published/snapshots/{next:06d}-*",
    "published/.LATEST.json.tmp",
)
"""Files whose appearance triggers a kill; `{next}` is the sequence that the run would publish."""

_POLL_SECONDS = 0.001
_MAX_RUN_SECONDS = 240
_READER = """
import json, select, sys
from amzseg_pipeline import read_latest
seen, errors, reads = {}, [], 0
print("ready", flush=True)
while True:
    if select.select([sys.stdin], [], [], 0.03)[0]:
        if not sys.stdin.readline():
            break
        print(json.dumps({"seen": seen, "errors": errors, "reads": reads}), flush=True)
        seen, errors, reads = {}, [], 0
    try:
        snapshot = read_latest(sys.argv[1])
        users = len(snapshot.segment_assignments())
        seen[snapshot.sequence] = users
        if not users == snapshot.rows("segment_assignments") == snapshot.segment_profiles()["users"].sum():
            errors.append(f"snapshot {snapshot.sequence} mixes tables of two snapshots")
    except Exception as error:
        errors.append(repr(error))
    reads += 1
"""

_CONTENT_NAME = re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Moment:
    """When to kill a run: some seconds after its n-th line of output, or when a file matching `pattern` appears."""

    lines: int = 0
    seconds: float = 0
    pattern: str = ""

    def __str__(self) -> str:
        return self.pattern or f"{self.seconds:.2f} s after line {self.lines}"


@dataclass(frozen=True)
class KilledRun:
    """The result of one kill. `seen` are users by sequence as readers saw them, `users` as published."""

    moment: Moment
    was_alive: bool
    before: int
    after: int
    seen: Mapping[int, int]
    users: Mapping[int, int]
    reads: int
    errors: tuple[str, ...]
    next_run: str
    leftovers: tuple[str, ...]


def moments(*, seed: int, kills: int, lines: int) -> list[Moment]:
    """Half spread over a run that prints `lines` lines, half triggered by files, in a seeded order."""
    rng = random.Random(seed)
    half = (kills + 1) // 2
    both = [_moment_after(lines * number // half, rng) for number in range(half)]
    patterns = rng.sample(TRIGGER_FILES, len(TRIGGER_FILES))
    both += [Moment(pattern=patterns[number % len(patterns)]) for number in range(kills - half)]
    rng.shuffle(both)
    return both


def data_root_to_kill_in(root: Path) -> tuple[DataRoot, int]:
    """A data root with one snapshot published by a real run, and the number of lines that the run printed."""
    data_root = DataRoot(root / "data")
    (root / "tmp").mkdir(parents=True)
    data_root.dagster.mkdir(parents=True)
    (data_root.dagster / "dagster.yaml").write_bytes((PROJECT / "dagster.yaml").read_bytes())
    deliver(data_root, run_day=0)
    with _process(data_root) as process:
        output, _ = process.communicate(timeout=_MAX_RUN_SECONDS)
    assert process.returncode == 0, output
    return data_root, output.count(" s\n")


def deliver(data_root: DataRoot, *, run_day: int) -> int:
    """Writes the export of a run into the landing zone and returns its users: two more in each run."""
    prices = ("₹199", "₹1,499", "₹8,999")
    listings = [
        {"discounted_price": prices[number % 3], "actual_price": "₹9,999", "rating": f"{3 + number % 4 * 0.5}"}
        for number in range(60 + run_day)
    ]
    data_root.landing.mkdir(exist_ok=True)
    (data_root.landing / "export.csv").write_bytes(sales_csv(listings))
    return 2 * len(listings)


def killed_runs(data_root: DataRoot, at: Sequence[Moment], *, readers: int = 2) -> Iterator[KilledRun]:
    """Kills a run at each moment while `readers` poll, then lets the next run finish."""
    untouched = _leftovers(data_root)
    with _readers(data_root, readers) as reports:
        for run_day, moment in enumerate(at, start=1):
            before = read_latest(data_root.root).sequence
            deliver(data_root, run_day=run_day)
            reports()
            was_alive = _killed(data_root, moment, next_sequence=before + 1)
            seen = reports()
            after = read_latest(data_root.root).sequence
            users = {sequence: _users(data_root, sequence) for sequence in (before, after)}
            with dg.DagsterInstance.local_temp(str(data_root.dagster)) as instance:
                result = scenario.run(data_root, instance=instance, settings=SETTINGS, force=True)
            yield KilledRun(
                moment=moment,
                was_alive=was_alive,
                before=before,
                after=after,
                seen={int(sequence): count for report in seen for sequence, count in report["seen"].items()},
                users=users,
                reads=sum(report["reads"] for report in seen),
                errors=tuple(error for report in seen for error in report["errors"]),
                next_run="success" if result.success else scenario.failure(result),
                leftovers=tuple(sorted(_leftovers(data_root) - untouched)),
            )


@contextmanager
def _process(data_root: DataRoot) -> Iterator[subprocess.Popen[str]]:
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    temporary = data_root.root.parent / "tmp"
    environment = {**os.environ, "AMZSEG_DATA": str(data_root.root), "TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"}
    environment.pop("DAGSTER_HOME", None)
    with subprocess.Popen(
        [sys.executable, "-m", "amzseg_pipeline", "run", *settings],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _moment_after(lines: int, rng: random.Random) -> Moment:
    """Up to 4 s after the start (imports), or up to 1 s after a line."""
    return Moment(lines, seconds=rng.uniform(0, 1 if lines else 4))


def _killed(data_root: DataRoot, moment: Moment, *, next_sequence: int) -> bool:
    """Kills a run at the moment; whether it was still running."""
    with _process(data_root) as process:
        if moment.pattern:
            pattern = moment.pattern.format(next=next_sequence)
            while process.poll() is None and not _exists(data_root.root, pattern):
                time.sleep(_POLL_SECONDS)
        else:
            for _ in range(moment.lines):
                assert process.stdout is not None
                process.stdout.readline()
            with suppress(subprocess.TimeoutExpired):
                process.wait(moment.seconds)
        process.kill()
        process.communicate()
    return process.returncode == -signal.SIGKILL


def _exists(root: Path, pattern: str) -> bool:
    """Whether a file matches; folders may disappear while they are searched."""
    with suppress(FileNotFoundError):
        return any(root.glob(pattern))
    return False


@contextmanager
def _readers(data_root: DataRoot, readers: int) -> Iterator[Callable[[], list[dict]]]:
    """Processes that read the latest snapshot in a loop; yields a function that returns their new reports."""
    command = [sys.executable, "-c", _READER, str(data_root.root)]
    processes = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]

    def answers(question: str) -> list[str]:
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(question)
            process.stdin.flush()
        return [process.stdout.readline() for process in processes if process.stdout is not None]

    try:
        assert answers("") == ["ready\n"] * readers
        yield lambda: [json.loads(answer) for answer in answers("report\n")]
    finally:
        for process in processes:
            process.communicate(timeout=60)


def _users(data_root: DataRoot, sequence: int) -> int:
    [folder] = data_root.published.glob(f"snapshots/{sequence:06d}-*")
    manifest = json.loads((folder / "datapackage.json").read_bytes())
    return next(entry["rows"] for entry in manifest["resources"] if entry["name"] == "segment_assignments")


def _leftovers(data_root: DataRoot) -> set[str]:
    """All files except those that a run should leave: exports, snapshots, its record, plots and tables."""
    paths = [*data_root.root.rglob("*"), *(data_root.root.parent / "tmp").rglob("*")]
    meant = (data_root.landing, data_root.dagster, data_root.published / "snapshots", data_root.artifacts)
    names = [str(path.relative_to(data_root.root.parent)) for path in paths if not any(map(path.is_relative_to, meant))]
    # Parts are named by their content, which differs in each run; their number does not.
    counted = Counter(_CONTENT_NAME.sub("*", name) for name in names)
    snapshots = list((data_root.published / "snapshots").iterdir())
    hidden = {str(path.relative_to(data_root.root)) for path in data_root.artifacts.rglob(".*") if path.name != ".lock"}
    left = {f"{count} of {name}" for name, count in counted.items()}
    return left | hidden | {f"{max(len(snapshots), 3)} snapshots"}
