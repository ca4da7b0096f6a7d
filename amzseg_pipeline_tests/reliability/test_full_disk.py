"""Full disks and file size limits: the run fails with a message, and readers keep their snapshot."""

import hashlib
import random
import re
import resource
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

LISTINGS = 400
REASONS = ("No space left on device", "File too large")


def export(run_day: int) -> bytes:
    """Users that differ, so that every table differs."""
    return sales_csv(
        {"discounted_price": f"₹{100 + number * 7 % 5000}", "actual_price": "₹9,999", "rating": f"{1 + number % 5}"}
        for number in range(LISTINGS + run_day)
    )


@contextmanager
def largest_file(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
def test_a_file_size_limit_fails_the_run_with_a_message(tmp_path: Path) -> None:
    data_root = scenario.data_root_with(tmp_path, export=export(0))
    assert scenario.run(data_root).success
    sizes = [
        path.stat().st_size
        for path in (*data_root.warehouse.rglob("*"), *data_root.published.rglob("*"))
        if path.is_file()
    ]
    rng = random.Random(11)
    scenario.data_root_with(tmp_path, export=export(1))
    for limit in sorted(rng.sample(sorted(sizes), 3)):
        with largest_file(limit - 1):
            result = scenario.run(data_root)
        assert_failed_with_the_reason(result)
        assert read_latest(data_root.root).sequence == 1
    assert scenario.run(data_root).success
    assert read_latest(data_root.root).sequence == 2


def numbered(engine: Engine, path: Path) -> nw.LazyFrame:
    """500,000 incompressible, unsorted rows: more than the engine's memory."""
    texts = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2_000)]
    pq.write_table(pa.table({"text": texts, "user_hash": pa.array(range(2_000), pa.int64())}), path)
    rows = engine.scan([path])
    pairs = rows.join(rows.select(other=nw.col("text")).head(250), how="cross")
    hashes = nw.col("user_hash") * 2_000_000
    return pairs.with_columns(pair=nw.concat_str("text", "other"), user_hash=hashes, batch=nw.lit("b"))


WRITES: Mapping[str, Callable[[Engine, nw.LazyFrame, Path], object]] = {
    "a file": lambda engine, rows, folder: engine.write(rows, folder / "table.parquet"),
    "buckets": lambda engine, rows, folder: engine.write_buckets(
        rows.with_columns(batch=nw.lit("b")), folder, buckets=4
    ),
    "a sorted file": lambda engine, rows, folder: engine.write(rows.sort("pair"), folder / "table.parquet"),
    "a cached table": lambda engine, rows, _: engine.cached(rows),
    "pandas chunks": lambda engine, rows, _: list(engine.pandas_chunks(rows.sort("pair"), chunk_rows=1_000)),
}


@pytest.mark.parametrize(
    ("what", "memory_limit_mib"), [*((what, 40) for what in WRITES), *((what, 400) for what in list(WRITES)[:3])]
)
def test_duckdb_write_errors_become_write_errors(tmp_path: Path, what: str, memory_limit_mib: int) -> None:
    engine = Engine(Settings(threads=1, memory_limit_mib=memory_limit_mib), temporary=tmp_path / "temporary")
    rows = numbered(engine, tmp_path / "rows.parquet")
    (tmp_path / "out").mkdir()
    with largest_file(2**16), pytest.raises(WriteError) as raised:
        WRITES[what](engine, rows, tmp_path / "out")
    assert str(raised.value).startswith(str(tmp_path / ("temporary" if memory_limit_mib == 40 else "out")))
    assert "(File too large); check disk space and permissions there" in str(raised.value)
    engine.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB; the test is skipped if it cannot be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_fails_the_run_and_the_next_one_recovers(small_disk: Path) -> None:
    data_root = scenario.data_root_with(small_disk / "data", export=export(0))
    assert scenario.run(data_root).success
    scenario.data_root_with(data_root.root, export=export(1))
    for free_bytes in (0, 2**16):
        fill(small_disk, free_bytes=free_bytes)
        result = scenario.run(data_root)
        assert_failed_with_the_reason(result)
        assert read_latest(data_root.root).sequence == 1
    (small_disk / "filling").unlink()
    assert scenario.run(data_root, force=True).success
    assert read_latest(data_root.root).sequence >= 2


def fill(disk: Path, *, free_bytes: int) -> None:
    """Fills the disk except for about `free_bytes`."""
    filling = disk / "filling"
    filling.unlink(missing_ok=True)
    with filling.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            stream.truncate(max(0, stream.tell() - free_bytes))


def assert_failed_with_the_reason(result: object) -> None:
    message = scenario.failure(result)  # type: ignore[arg-type]
    assert any(reason in message for reason in REASONS), message
    assert re.search("check (disk|free) space", message), message
