"""A parquet file is refused for its footer and the headers of its pages before any page of it is unpacked."""

from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.landing.guards.parquet import NUMBER, TEXT, TEXTS, parquet_rows, parquet_schema
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline.storage.landing.scan.file_head import head_of
from amzseg_pipeline_tests.storage.landing.exports import parquet
from amzseg_pipeline_tests.storage.landing.lying import lie

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


def plain_texts(folder: Path) -> Path:
    """20 MB of text in two row groups of some kilobytes."""
    texts = pa.table({"user_id": ["A" * 1_000] * 20_000, "rating": [1.0] * 20_000})
    pq.write_table(texts, folder / "a.parquet", compression="zstd", use_dictionary=False, row_group_size=10_000)
    return folder / "a.parquet"


def test_the_sizes_in_a_lying_footer_are_not_believed(tmp_path: Path) -> None:
    path = plain_texts(tmp_path)
    footer = pq.read_metadata(path)
    for truth in {footer.row_group(group).column(0).total_uncompressed_size for group in range(2)}:
        lie(path, truth=truth, told=900)
    assert pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 900
    with pytest.raises(RefusedInput, match=r"unpacks to 20,\d{3},\d{3} in 20,000 rows"):
        parquet_rows(path, Settings(), kinds=KINDS)
    assert parquet_rows(path, Settings(max_expansion_ratio=10**5), kinds=KINDS) == 20_000


@pytest.mark.parametrize(
    ("truth", "words"), [(20_000, "tells of 7 rows and of 20,000"), (10_000, "tells of 20,000 rows and of 14")]
)
def test_a_footer_that_contradicts_itself_is_refused(tmp_path: Path, truth: int, words: str) -> None:
    path = plain_texts(tmp_path)
    lie(path, truth=truth, told=7)
    with pytest.raises(RefusedInput, match=f"damaged or cut .*{words}"):
        parquet_rows(path, Settings(), kinds=KINDS)


def test_a_footer_that_hides_rows_is_refused(tmp_path: Path) -> None:
    path = plain_texts(tmp_path)
    lie(path, truth=20_000, told=14)
    lie(path, truth=10_000, told=7)
    assert pq.read_metadata(path).num_rows == 14
    with pytest.raises(RefusedInput, match=r"damaged or cut .*user_id has pages of [\d,]+ values where 7 are told"):
        parquet_rows(path, Settings(), kinds=KINDS)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none", "use_dictionary": False},
        {"compression": "gzip", "data_page_version": "2.0"},
        {"compression": "zstd", "write_page_index": True, "write_page_checksum": True},
        {"max_rows_per_page": 10, "row_group_size": 400},
    ],
)
def test_headers_of_pages_are_read_as_any_writer_writes_them(tmp_path: Path, options: dict[str, object]) -> None:
    rows = pa.table(
        {
            "user_id": [f"U{number % 300}" if number % 7 else None for number in range(1_000)],
            "rating": [number / 2 for number in range(1_000)],
            "texts": [["x"] * (number % 4) for number in range(1_000)],
        }
    )
    pq.write_table(rows, tmp_path / "a.parquet", **options)
    kinds = {**KINDS, "texts": TEXTS}
    assert parquet_rows(tmp_path / "a.parquet", Settings(), kinds=kinds) == 1_000
    duckdb.from_arrow(rows).write_parquet(str(tmp_path / "b.parquet"))
    assert parquet_rows(tmp_path / "b.parquet", Settings(), kinds=kinds) == 1_000
    polars.from_arrow(rows).write_parquet(tmp_path / "c.parquet")
    assert parquet_rows(tmp_path / "c.parquet", Settings(), kinds=kinds) == 1_000


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_pages_are_counted_or_refused_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(4, len(content) // 2))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(RefusedInput):
        assert parquet_rows(written(tmp_path, bytes(content)), Settings(), kinds=KINDS) == 1000


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
