"""The engine reads, stages, writes and hands on batches, within its limits."""

import narwhals as nw
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine


@pytest.fixture
def engine(tmp_path):
    engine = DuckDBEngine(Settings(threads=2, memory_limit_mib=200), temporary=tmp_path / "spill")
    yield engine
    engine.close()


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_files_are_read_as_one_frame_and_written_back(engine, tmp_path):
    parts = [parquet(tmp_path / f"{n}.parquet", n=[n, n + 10]) for n in range(3)]
    engine.write(engine.scan(parts).filter(nw.col("n") > 1), tmp_path / "out.parquet")
    assert sorted(pq.read_table(tmp_path / "out.parquet")["n"].to_pylist()) == [2, 10, 11, 12]


def test_a_staged_frame_is_computed_once(engine, tmp_path):
    path = parquet(tmp_path / "n.parquet", n=[1, 2])
    staged = engine.staged(engine.scan([path]))
    path.unlink()
    assert staged.select(nw.col("n").sum()).collect("pyarrow").item() == 3


def test_a_sorted_frame_stays_sorted_in_file_and_batches(engine, tmp_path):
    numbers = [(n * 7_919) % 300_007 for n in range(300_007)]
    frame = engine.scan([parquet(tmp_path / "n.parquet", n=numbers)]).sort("n")
    engine.write(frame, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == sorted(numbers)
    batches = list(engine.batches(frame, rows=100_000))
    assert [n for batch in batches for n in batch["n"]] == sorted(numbers)
    assert max(map(len, batches)) <= 100_000


def test_more_than_the_memory_limit_is_spilled_and_the_spill_is_taken_away(tmp_path):
    spill = tmp_path / "spill"
    engine = DuckDBEngine(Settings(threads=1, memory_limit_mib=60), temporary=spill)
    path = parquet(tmp_path / "n.parquet", n=list(range(3_000_000)))
    staged = engine.staged(engine.scan([path]).with_columns(m=nw.col("n") * 3, o=nw.col("n") * 5, p=nw.col("n") * 7))
    in_order = staged.sort("p", descending=True).select("n", "m", "o", "p")
    engine.write(in_order, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet", columns=["n"])["n"][0].as_py() == 2_999_999
    engine.close()
    assert not spill.exists()
