"""A parquet file is refused for its footer before any page of it is read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.heads import head_of
from amzseg_pipeline.storage.landing.parquet_guard import NUMBER, TEXT, TEXTS, parquet_rows, parquet_schema
from amzseg_pipeline.storage.landing.parquet_texts import parquet_texts
from amzseg_pipeline_tests.storage.landing.exports import parquet

KINDS = {"user_id": TEXT, "rating": NUMBER}
WHOLE = parquet([{"user_id": f"U{n}", "rating": n / 2, "text": "x" * 100} for n in range(1000)])


def written(folder: Path, content: bytes) -> Path:
    (folder / "a.parquet").write_bytes(content)
    return folder / "a.parquet"


def test_a_whole_file_has_its_rows_and_columns(tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    assert parquet_rows(path, Settings(), kinds=KINDS) == 1000
    assert parquet_schema(path).names == ["user_id", "rating", "text"]
    assert head_of(path, Settings()).names == (("user_id", "rating", "text"),)


@pytest.mark.parametrize(
    "content",
    [
        WHOLE[:-1],
        WHOLE[:-8],
        WHOLE[: len(WHOLE) // 2],
        b"PAR1",
        b"PAR1PAR1",
        b"PAR1" + b"\xff" * 100 + b"PAR1",
        WHOLE + b"\n",
    ],
)
def test_a_cut_or_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RefusedInput, match=r"the parquet file is damaged or cut \(.*\); deliver it whole"):
        head_of(written(tmp_path, content), Settings())


def test_damaged_pages_are_refused_by_the_reader(tmp_path: Path) -> None:
    content = bytearray(parquet([{"user_id": f"U{n}"} for n in range(1000)]))
    content[20:600] = b"\xff" * 580
    with pytest.raises(RefusedInput, match="damaged or cut"):
        list(parquet_texts(written(tmp_path, bytes(content)), Settings(), kinds={"user_id": TEXT}))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(RefusedInput, match="columns and no rows"):
        parquet_rows(tmp_path / "a.parquet", Settings(), kinds=KINDS)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (TEXT, [1], "column user_id is int64; write it as text"),
        (TEXT, [b"U"], "column user_id is binary; write it as text"),
        (NUMBER, ["1"], "column user_id is string; write it as a number"),
        (TEXTS, [[1]], r"column user_id is list<.*; write it as a list of texts"),
    ],
)
def test_a_type_that_cannot_be_read_is_refused(tmp_path: Path, kind: object, values: list[object], words: str) -> None:
    pq.write_table(pa.table({"user_id": values}), tmp_path / "a.parquet")
    with pytest.raises(RefusedInput, match=words):
        parquet_rows(tmp_path / "a.parquet", Settings(), kinds={"user_id": kind})


def test_more_rows_than_bytes_can_hold_are_refused(tmp_path: Path) -> None:
    zeros = pa.table({"rating": pa.array(np.zeros(2**20, np.int8))})
    with pq.ParquetWriter(tmp_path / "a.parquet", zeros.schema) as writer:
        for _ in range(17):
            writer.write_table(zeros)
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(RefusedInput, match=r"bytes unpacks to 17,825,792 in 17,825,792 rows; .*max_expansion_ratio"):
        parquet_rows(tmp_path / "a.parquet", Settings(), kinds=KINDS)
    assert parquet_rows(tmp_path / "a.parquet", Settings(max_expansion_ratio=10**4), kinds=KINDS) == 17 * 2**20


def test_a_long_text_said_once_for_many_rows_is_cut_before_it_is_copied(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000), ["x" * 1_000_000])
    pq.write_table(pa.table({"user_id": texts}), tmp_path / "a.parquet")
    pool_bytes = pa.total_allocated_bytes()
    for batch in parquet_texts(tmp_path / "a.parquet", Settings(), kinds={"user_id": TEXT}):
        assert pc.binary_length(batch["user_id"][0]).as_py() == 4097
        assert pa.total_allocated_bytes() - pool_bytes < 200_000_000


def test_the_ceiling_counts_the_columns_that_are_read_alone(tmp_path: Path) -> None:
    path = written(tmp_path, parquet([{"user_id": f"{n:06}", "text": f"{n:06}" * 100} for n in range(1000)]))
    assert parquet_rows(path, Settings(max_expanded_bytes=50_000), kinds={"user_id": TEXT}) == 1000
    with pytest.raises(RefusedInput, match="max_expanded_bytes"):
        parquet_rows(path, Settings(max_expanded_bytes=50_000), kinds={"user_id": TEXT, "text": TEXT})


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_are_read_or_refused_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = written(tmp_path, bytes(content))
    try:
        head_of(path, Settings())
        rows = sum(len(batch) for batch in parquet_texts(path, Settings(), kinds=KINDS))
    except RefusedInput:
        return
    assert rows == 1000
