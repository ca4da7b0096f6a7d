"""Every write of the pipeline with a fault at each disk call, and the content afterwards."""

import atexit
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.defs.io_manager import WarehouseIOManager
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.snapshots import repoint
from amzseg_pipeline.storage.snapshots.rewrite import erase_users
from amzseg_pipeline_tests.faults import Killed, faults
from amzseg_pipeline_tests.storage.snapshots.runs import publish_run, run_of

NAME = "scaled_features"
KEEP_ONE = Settings(keep_snapshots=1, keep_snapshot_hours=0)
OLD, NEW = 1, 2


@dataclass(frozen=True)
class Write:
    """A write: `before` makes the old state, `write` the new one, `seen` returns which of them a reader finds."""

    before: Callable[[Path], object]
    write: Callable[[Path], object]
    seen: Callable[[Path], int]


@dataclass(frozen=True)
class Interrupted:
    """The results of a fault at each of `calls` calls; `repeated` counts the writes that then succeeded."""

    calls: int
    seen: Counter[int]
    repeated: int

    @property
    def is_complete(self) -> bool:
        """Whether old or new was seen each time, and each repeated write succeeded."""
        return set(self.seen) <= {OLD, NEW} and self.repeated == self.calls


def interrupted(root: Path, write: Write, *, is_kill: bool) -> Interrupted:
    """Makes the write fail at each call in turn, or kills it there, and then repeats it."""
    write.before(root / "before")
    with faults(None, is_kill=is_kill) as counted:
        write.write(_copy(root, "counted"))
    seen: Counter[int] = Counter()
    repeated = 0
    for at in range(counted.calls):
        folder = _copy(root, str(at))
        try:
            with faults(at, is_kill=is_kill):
                write.write(folder)
        except (Killed, OSError, PipelineError):
            pass
        seen[write.seen(folder)] += 1
        write.write(folder)
        repeated += write.seen(folder) == NEW
        shutil.rmtree(folder)
    return Interrupted(counted.calls, seen, repeated)


def _copy(root: Path, name: str) -> Path:
    return Path(shutil.copytree(root / "before", root / name, copy_function=shutil.copy2))


def _frame(users: int) -> pd.DataFrame:
    schema = arrow_schema(TABLES[NAME])
    values = {pa.string(): "a", pa.int64(): 1, pa.float64(): 0.5, pa.bool_(): True}
    rows = [{field.name: values[field.type] for field in schema} | {"user_id": f"U{n}"} for n in range(users)]
    return pa.Table.from_pylist(rows, schema=schema).to_pandas(types_mapper=pd.ArrowDtype)


@cache
def _engine() -> Engine:
    """One engine for all writes of this process: opening one takes longer than a write."""
    stack = ExitStack()
    atexit.register(stack.close)
    engine = Engine(Settings(threads=1), temporary=Path(stack.enter_context(TemporaryDirectory())) / "engine")
    stack.callback(engine.close)
    return engine


def _table(kind: str) -> Write:
    """A table of the warehouse as an asset returns it, with as many rows as the number of the write."""

    def write(root: Path, users: int) -> None:
        source = root.with_name("source.parquet")
        frame, schema = _frame(users), arrow_schema(TABLES[NAME])
        pq.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False), source)
        handed = {
            "a pandas frame": lambda: frame,
            "a frame of the engine": lambda: _engine().scan([source]),
        }[kind]()
        context = dg.build_output_context(asset_key=dg.AssetKey(NAME))
        WarehouseIOManager(root, _engine()).handle_output(context, handed)

    def before(root: Path) -> None:
        root.mkdir(parents=True)
        write(root, OLD)

    def seen(root: Path) -> int:
        return int(pq.read_table(root / f"{NAME}.parquet").num_rows)

    return Write(before, lambda root: write(root, NEW), seen)


def _publish(root: Path, run_day: int) -> None:
    publish_run(root / "published", run_day, settings=KEEP_ONE if run_day == NEW else Settings())


def _first_run(root: Path) -> None:
    _publish(root, OLD)


def _next_run(root: Path) -> None:
    _publish(root, NEW)


def _two_published(root: Path) -> None:
    publish_run(root / "published", NEW)
    publish_run(root / "published", OLD)


def _rollback(root: Path) -> None:
    repoint(root / "published", 1)


def _erased(root: Path) -> None:
    erase_users(root / "published", lambda _: ["AÉ00000003"])


def _run_seen(root: Path) -> int:
    return run_of(read_latest(root))


def _users_seen(root: Path) -> int:
    """NEW once the user is erased."""
    return NEW if len(read_latest(root).segment_assignments()) < 20 else OLD


WRITES: Mapping[str, Write] = {
    "a table from a pandas frame": _table("a pandas frame"),
    "a table from the engine": _table("a frame of the engine"),
    "publishing a snapshot, another expires": Write(_first_run, _next_run, _run_seen),
    "rollback": Write(_two_published, _rollback, _run_seen),
    "erasing a user from snapshots": Write(_first_run, _erased, _users_seen),
}
