"""Prints the figures of docs/reliability.md: kills, disk faults, damaged exports and bombs.

    python benchmarks/reliability.py kills --count 200
    python benchmarks/reliability.py faults
    python benchmarks/reliability.py damages --count 3000 --real-data ../shared/data
    python benchmarks/reliability.py bombs

amzseg_pipeline_tests/reliability/ defines the faults; its tests run a short form.
"""

import argparse
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from amzseg_pipeline_tests.reliability.bombs import BOMBS, defused
from amzseg_pipeline_tests.reliability.interrupted import NEW, OLD, WRITES, interrupted
from amzseg_pipeline_tests.reliability.killing import KilledRun, data_root_to_kill_in, killed_runs, moments
from amzseg_pipeline_tests.reliability.reconciliation import real_outcomes, table

SEED = 2


def main() -> None:
    """Runs one part in a temporary folder and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--count", type=int, default=0, help="how many kills or damages; 0 takes 200 or 3,000")
    parser.add_argument("--real-data", type=Path, default=os.environ.get("AMZSEG_REAL_DATA", "../shared/data"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        PARTS[options.part](Path(folder), options)


def kills(root: Path, options: argparse.Namespace) -> None:
    """Kills real runs, half of them spread over the run, half as a file appears, with two readers polling."""
    data_root, lines = data_root_to_kill_in(root)
    counts: dict[str, Counter[str]] = {}
    for killed in killed_runs(data_root, moments(seed=SEED, kills=options.count or 200, lines=lines)):
        kind = f"`{killed.moment.pattern}` appears" if killed.moment.pattern else "a seeded time after a line"
        counts.setdefault(kind, Counter()).update(counted(killed))
        if killed.errors or killed.next_run != "success" or killed.leftovers:
            print(killed, flush=True)
    heads = ("kills", "too late", "reads", "old seen after", "new seen after")
    heads += ("torn reads", "next runs failed", "leftover files")
    rows = [[kind, *(f"{count[head]:,}" for head in heads)] for kind, count in sorted(counts.items())]
    total = sum(counts.values(), Counter())
    print_table(["killed when", *heads], [*rows, ["all", *(f"{total[head]:,}" for head in heads)]])


def counted(killed: KilledRun) -> Counter[str]:
    """The columns of the table for one kill."""
    return Counter(
        {
            "kills": 1,
            "too late": not killed.was_alive,
            "reads": killed.reads,
            "old seen after": killed.after == killed.before,
            "new seen after": killed.after == killed.before + 1,
            "torn reads": len(killed.errors) + (not killed.seen.items() <= killed.users.items()),
            "next runs failed": killed.next_run != "success",
            "leftover files": bool(killed.leftovers),
        }
    )


def write_faults(root: Path, _: argparse.Namespace) -> None:
    """Makes each disk call of every write fail once, or kills the process there."""
    rows = []
    for number, (what, write) in enumerate(WRITES.items()):
        for is_kill in (False, True):
            found = interrupted(root / f"{number}-{is_kill}", write, is_kill=is_kill)
            neither = found.calls - found.seen[OLD] - found.seen[NEW]
            counts = (found.calls, found.seen[OLD], found.seen[NEW], neither, found.calls - found.repeated)
            rows.append([f"{what}, {'killed' if is_kill else 'refused'}", *(f"{count:,}" for count in counts)])
    print_table(["write", "faults", "old seen", "new seen", "neither", "next write failed"], rows)


def damages(root: Path, options: argparse.Namespace) -> None:
    """Damages the real exports, reads each, and compares the counts with those of independent readers."""
    for name, found in real_outcomes(root, options.real_data, count=options.count or 3_000):
        print(f"\n{name}, {len(found):,} damages:\n\n{table(found)}", flush=True)
        for outcome in found:
            if outcome.fault:
                print(f"{outcome.kind}: {outcome.fault}", flush=True)


def bombs(root: Path, _: argparse.Namespace) -> None:
    """Reads each bomb in a separate process, as an export of a run and as an upload of the app."""
    rows = []
    for number, bomb in enumerate(BOMBS):
        run, app = (defused(root / f"{number}-{reader}", bomb, reader) for reader in ("run", "app"))
        size = f"{run.packed_bytes / 1024:,.0f} KiB"
        outcomes = ["refused" if bomb.message in run.said else run.said, "read" if app.said == "read" else "refused"]
        rows.append([bomb.what, size, outcomes[0], f"{run.added_mib} MiB", outcomes[1], f"{app.added_mib} MiB"])
    print_table(["bomb", "file", "by a run", "memory added", "by the app", "memory added"], rows)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a Markdown table with figures aligned to the right."""
    for row in (heads, ["---", *["---:"] * (len(heads) - 1)], *rows):
        print(f"| {' | '.join(row)} |")


PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "kills": kills,
    "faults": write_faults,
    "damages": damages,
    "bombs": bombs,
}


if __name__ == "__main__":
    main()
