"""Small files that unpack to far more than the ceilings are refused, and the process hardly grows meanwhile."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline_tests.reliability.processes import PROJECT

MAX_ADDED_MIB = 200
LINE = b'{"rating": 5.0, "parent_asin": "B000000001", "user_id": "A1", "timestamp": 1600000000000}\n'

READ = """
import resource, sys, time
from pathlib import Path
from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.landing import raw_reviews

def read(root):
    try:
        raw_reviews(Home(Path(root)), Settings(), now=time.time(), settle=False)
    except RefusedInput as error:
        return str(error).replace("\\n", " ")
    return "read"

small, bomb = sys.argv[1:]
print(read(small))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(read(bomb))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def packed_lines(path: Path) -> int:
    """256 MiB of reviews in a .gz of many members."""
    lines = LINE * (2**23 // len(LINE))
    member = gzip.compress(lines, mtime=0)
    path.write_bytes(member * 32)
    return 32 * len(lines)


def packed_line_without_end(path: Path) -> int:
    """A line that grows beyond any record, after many that do not; all of it below the ceilings."""
    path.write_bytes(gzip.compress(LINE * 20_000 + LINE[:-3] + b" " * 2**23 + LINE[-3:], mtime=0))
    return 2**23


def rows_of_one_value(path: Path) -> int:
    """18 million rows in a parquet file of some kilobytes."""
    rows = 6_000_000
    columns = {"user_id": "A1", "parent_asin": "B1", "rating": 5.0, "timestamp": 1_600_000_000_000}
    table = pa.table({name: pa.repeat(pa.scalar(value), rows) for name, value in columns.items()})
    with pq.ParquetWriter(path, table.schema, compression="zstd", max_rows_per_page=rows) as writer:
        for _ in range(3):
            writer.write_table(table, row_group_size=rows)
    return 3 * rows


def texts_of_one_letter(path: Path) -> int:
    """Half a gibibyte of text, in the column of user ids, in a parquet file of some kilobytes."""
    texts = pa.array(["A" * 2**16] * 1024)
    table = pa.table({"user_id": texts, "parent_asin": texts, "rating": pa.repeat(5.0, 1024)})
    table = table.append_column("timestamp", pa.repeat(1_600_000_000_000, 1024))
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(4):
            writer.write_table(table)
    return 2**29


@pytest.mark.parametrize(
    ("name", "bomb", "words"),
    [
        ("reviews.jsonl.gz", packed_lines, "unpacks to more than"),
        ("reviews.jsonl.gz", packed_line_without_end, "longer than"),
        ("reviews.parquet", rows_of_one_value, "unpacks to"),
        ("reviews.parquet", texts_of_one_letter, "unpacks to"),
    ],
)
def test_a_bomb_is_refused_in_bounded_memory(
    tmp_path: Path, name: str, bomb: Callable[[Path], int], words: str
) -> None:
    for home in ("small", "bomb"):
        (tmp_path / home / "landing").mkdir(parents=True)
    (tmp_path / "small/landing/reviews.jsonl").write_bytes(LINE)
    unpacked_bytes = bomb(tmp_path / "bomb/landing" / name)
    assert unpacked_bytes > 50 * (tmp_path / "bomb/landing" / name).stat().st_size
    command = [sys.executable, "-c", READ, str(tmp_path / "small"), str(tmp_path / "bomb")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    read, refusal, added_mib = done.stdout.splitlines()
    assert read == "read"
    assert f"{name}: " in refusal
    assert words in refusal
    assert int(added_mib) < MAX_ADDED_MIB


def test_the_bomb_of_lines_is_one_of_reviews() -> None:
    assert json.loads(LINE)["rating"] == 5
