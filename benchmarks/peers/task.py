"""The arguments of every peer: exports to read, folders to write to, and limits of threads and memory."""

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FEATURES_DONE = "user_features written"
"""The line that a peer prints after its tables and before its segments."""

CLEANED, REJECTED, FEATURES = "cleaned_reviews.parquet", "rejected_reviews.parquet", "user_features.parquet"


@dataclass(frozen=True)
class Export:
    """A file of reviews, with the `source_file` and `batch` of its rejected rows."""

    path: Path
    source_file: str
    batch: str


@dataclass(frozen=True)
class Task:
    """Reviews and items are in `landing`; tables go to `out`, spilled data to `temporary`."""

    landing: Path
    out: Path
    temporary: Path
    threads: int
    memory_mib: int
    publish: bool

    @property
    def is_json(self) -> bool:
        """Whether the exports are JSON Lines, plain or in gzip; else they are Parquet."""
        return any(self.landing.glob("Reviews_*.jsonl*"))

    @property
    def reviews(self) -> list[Export]:
        """The exports of reviews; their bytes are hashed as the pipeline does."""
        paths = sorted(self.landing.glob("Reviews_*"))
        return [Export(path, path.name, _sha256(path)[:16]) for path in paths]

    @property
    def items(self) -> list[Path]:
        """The exports of items."""
        return sorted(self.landing.glob("meta_*"))


def task_of_command_line() -> Task:
    """The task of the command line; creates its folders."""
    parser = argparse.ArgumentParser()
    for name in ("landing", "out", "temporary"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-mib", type=int, default=4096)
    parser.add_argument("--publish", action="store_true", help="also write segments")
    task = Task(**vars(parser.parse_args()))
    task.out.mkdir(parents=True, exist_ok=True)
    task.temporary.mkdir(parents=True, exist_ok=True)
    return task


def perform(write_tables: Callable[[Task], None]) -> None:
    """Runs a peer: its tables, then segments if the command line asks for them."""
    task = task_of_command_line()
    write_tables(task)
    print(FEATURES_DONE, flush=True)
    if task.publish:
        from benchmarks.peers.segments import write_segments

        write_segments(task.out / FEATURES, task.out / "segment_assignments.parquet")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
