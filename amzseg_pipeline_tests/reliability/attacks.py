"""Seeded attacks on the landing zone and on published snapshots, and what each of them leads to.

Over 250 lines: each attack with the outcomes that it may have.
"""

import gzip
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import ErasureError, RefusedInput, SnapshotError
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps import reviews
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline.storage.fs.atomic_writes import delete
from amzseg_pipeline.storage.fs.disk_usage import expired_artifacts
from amzseg_pipeline.storage.landing import raw_reviews, raw_reviews_frame, refuse_damaged_exports
from amzseg_pipeline.storage.snapshots import publish, repoint
from amzseg_pipeline.storage.snapshots.layout import snapshot_names
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone
from amzseg_pipeline_tests.storage.snapshots.runs import provenance_of, segment_assignments, small_tables

ROWS = 4_000
REGIONS = ("dictionary", "page", "statistics", "footer")
_TAIL_BYTES = 8


def parquet_export(path: Path) -> None:
    """Amazon Reviews 2023 with dictionaries, statistics, several pages and row groups."""
    numbers = range(ROWS)
    table = pa.table(
        {
            "rating": [1.0 + number % 5 for number in numbers],
            "parent_asin": [f"B{number % 90:09d}" for number in numbers],
            "user_id": [f"A{number % 700:012d}" for number in numbers],
            "timestamp": [1_500_000_000_000 + 47_474_747 * number for number in numbers],
        }
    )
    pq.write_table(table, path, row_group_size=1_500, data_page_size=4_096, write_page_index=True)


def mutations(content: bytes, path: Path, *, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """The region, and `content`, the file at `path`, with one to three of its bytes changed, lost or added."""
    rng = random.Random(seed)
    footer_start = len(content) - _TAIL_BYTES - int.from_bytes(content[-_TAIL_BYTES:-4], "little")
    spans = _spans(pq.read_metadata(path), content, footer_start)
    for number in range(count):
        region = REGIONS[number % len(REGIONS)]
        start, end = rng.choice(spans[region])
        mutated = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(start, min(end, len(mutated)))
            change = rng.random()
            if change < 0.7:
                mutated[at] = rng.randrange(256)
            else:
                mutated[at : at + (change < 0.85)] = rng.randbytes(0 if change < 0.85 else 1)
        yield region, bytes(mutated)


def _spans(footer: pq.FileMetaData, content: bytes, footer_start: int) -> dict[str, list[tuple[int, int]]]:
    spans: dict[str, list[tuple[int, int]]] = {"footer": [(footer_start, len(content))]}
    for group in range(footer.num_row_groups):
        for column in range(footer.num_columns):
            chunk = footer.row_group(group).column(column)
            if chunk.has_dictionary_page:
                spans.setdefault("dictionary", []).append((chunk.dictionary_page_offset, chunk.data_page_offset))
            end = min(chunk.data_page_offset + chunk.total_compressed_size, footer_start)
            spans.setdefault("page", []).append((chunk.data_page_offset, end))
            bound = chunk.statistics.max
            stored = bound.encode() if isinstance(bound, str) else None
            if stored and (at := content.find(stored, footer_start)) > 0:
                spans.setdefault("statistics", []).append((at - 4, at + len(stored)))
    return spans


def outcome_of_parquet(root: Path, content: bytes, expected: pa.Table) -> str:
    """refused; equal; other values, where no check of Parquet can see it; or FAULT and why."""
    data_root = landing_zone(root, {"reviews.parquet": content})
    engine = Engine(Settings(threads=1, memory_limit_mib=400), temporary=root / "spill")
    try:
        raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
        with refuse_damaged_exports(raw.reviews):
            validated = reviews.validated_reviews(raw_reviews_frame(raw.reviews, engine))
            found = validated.select("user_id", "item_id", "rating", "reviewed_at").collect("pyarrow").to_native()
    except RefusedInput as error:
        return "refused" if "reviews.parquet: " in str(error) else f"FAULT: names no file: {error}"
    except Exception as error:
        return f"FAULT: {type(error).__name__}: {error}"
    finally:
        engine.close()
    if len(found) != ROWS:
        return f"FAULT: {len(found)} of {ROWS} rows"
    return "equal" if found.cast(expected.schema).equals(expected) else "other values"


def expected_rows(path: Path) -> pa.Table:
    """The rows of the export at `path` as its reader gives them."""
    table = pq.read_table(path)
    columns = {"user_id": "user_id", "item_id": "parent_asin", "rating": "rating", "reviewed_at": "timestamp"}
    return pa.table({name: table[source].combine_chunks() for name, source in columns.items()})


def changing_file_outcomes(root: Path, *, seed: int, rounds: int) -> Counter[str]:
    """Reads an export while another thread appends to it or replaces it; rows must be those of one of its states."""
    rng = random.Random(seed)
    names = ("a.csv", "a.jsonl", "a.jsonl.gz", "a.parquet")
    long, short = ({name: _export(name, rows) for name in names} for rows in (20_000, 1))
    outcomes: Counter[str] = Counter()
    for number in range(rounds):
        name = names[number % len(names)]
        data_root = landing_zone(root / str(number), {name: long[name]})
        is_replaced = name == "a.parquet" or rng.random() < 0.5
        added = short[name].partition(b"\n")[2] if name == "a.csv" and not is_replaced else short[name]
        change = partial(_replace if is_replaced else _append, data_root.landing / name, added)
        thread = threading.Timer(rng.random() * 0.15, change)
        thread.start()
        try:
            found = _rows_read(data_root)
            outcome = "read" if found in (20_000, 20_001, 1) else f"FAULT: {found} rows"
        except RefusedInput as error:
            outcome = "refused for now" if "it changed " in str(error) else f"FAULT: {error}"
        finally:
            thread.join()
        outcomes[f"{name}: {outcome}"] += 1
    return outcomes


def _rows_read(data_root: DataRoot) -> int:
    raw = raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False)
    engine = Engine(Settings(threads=1), temporary=data_root.root / "spill")
    try:
        with refuse_damaged_exports(raw.reviews):
            return len(raw_reviews_frame(raw.reviews, engine).select("user_id").collect("pyarrow"))
    finally:
        engine.close()


def _export(name: str, rows: int) -> bytes:
    columns = {"user_id": "A1", "parent_asin": "B000000001", "rating": 5.0, "timestamp": 1_588_687_728_923}
    if name == "a.parquet":
        stream = pa.BufferOutputStream()
        pq.write_table(pa.table({key: [value] * rows for key, value in columns.items()}), stream)
        return bytes(stream.getvalue())
    if name == "a.csv":
        return f"{','.join(columns)}\n{(','.join(map(str, columns.values())) + chr(10)) * rows}".encode()
    lines = (json.dumps(columns) + "\n").encode() * rows
    return gzip.compress(lines) if name.endswith(".gz") else lines


def _replace(path: Path, content: bytes) -> None:
    other = path.with_suffix(".part")
    other.write_bytes(content)
    other.replace(path)


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(content)


class Operations:
    """The operations of a data root of 400 users, and the users that were erased.

    A user whose erasure began is in no later run, because the exports are deleted first.
    """

    def __init__(self, data_root: DataRoot, *, seed: int) -> None:
        self.data_root = data_root
        self.erased: list[str] = []
        self._without: list[str] = []
        self._rng = random.Random(seed)
        self._days = iter(range(1, 100_000))
        data_root.landing.mkdir(parents=True)
        data_root.local.mkdir(parents=True, exist_ok=True)

    def run(self) -> None:
        """Waits for the lock and publishes, as a run does."""
        with FileLock(self.data_root.lock_file).acquire(timeout=60):
            day = next(self._days)
            table = segment_assignments(day, users=400)
            is_gone = pc.is_in(table["user_id"], value_set=pa.array(list(self._without), pa.string()))
            publish(
                self.data_root.published,
                provenance_of(day),
                tables={SEGMENT_ASSIGNMENTS: table.filter(pc.invert(is_gone)).to_batches(), **small_tables(day)},
                files={RUN_FILE: b'{"run": 1}', MODEL_FILE: b"{}", MODEL_EXPORT_FILE: b""},
                settings=Settings(),
            )

    def rollback(self) -> None:
        """Restores any kept snapshot."""
        kept = [name.sequence for name in snapshot_names(self.data_root.published)]
        with FileLock(self.data_root.lock_file).acquire(timeout=0):
            repoint(self.data_root.published, self._rng.choice(kept))

    def erase(self) -> None:
        """Erases a user."""
        user = f"AÉ{self._rng.randrange(400):08d}"
        self._without.append(user)
        erase(self.data_root, user)
        self.erased.append(user)

    def prune(self) -> None:
        """Deletes plots of no snapshot."""
        kept = {name.run for name in snapshot_names(self.data_root.published)}
        for folder in expired_artifacts(self.data_root.artifacts, kept_runs=kept, now=datetime.now(UTC), keep_hours=0):
            delete(folder)

    def returned_users(self) -> set[str]:
        """Erased users in kept snapshots."""
        users: set[str] = set()
        for name in snapshot_names(self.data_root.published):
            pointer = pointer_to(self.data_root.published, name.sequence)
            users |= set(snapshot_at(self.data_root.published, pointer).segment_assignments()["user_id"])
        return users & set(self.erased)


def operations_at_once(data_root: DataRoot, *, seed: int, rounds: int) -> Counter[str]:
    """Runs, rolls back, erases and prunes at once in random order, while a reader verifies the latest snapshot."""
    rng = random.Random(seed)
    operations = Operations(data_root, seed=seed)
    operations.run()
    outcomes: Counter[str] = Counter()
    ended = threading.Event()

    def attempt(name: str, operation: Callable[[], object]) -> None:
        try:
            operation()
            outcomes[name] += 1
        except (ErasureError, SnapshotError, Timeout) as error:
            is_busy = isinstance(error, Timeout) or "a run is active" in str(error)
            outcomes[f"{name} refused" if is_busy else f"FAULT: {name}: {error}"] += 1
        except Exception as error:
            outcomes[f"FAULT: {name}: {type(error).__name__}: {error}"] += 1

    def read() -> None:
        while not ended.is_set():
            attempt("read", lambda: read_latest(data_root.root))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(rounds):
        plots = data_root.artifacts / f"old-{number}"
        plots.mkdir(parents=True)
        (plots / "plot.png").write_bytes(b"x")
        threads = [
            threading.Thread(target=attempt, args=(name, getattr(operations, name)))
            for name in rng.sample(("run", "rollback", "erase", "prune"), 4)
        ]
        for thread in threads:
            thread.start()
            time.sleep(rng.random() * 0.02)
        for thread in threads:
            thread.join()
        if returned := operations.returned_users():
            outcomes[f"FAULT: {sorted(returned)[0]} is back in round {number}"] += 1
    ended.set()
    reader.join()
    return outcomes
