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
from amzseg_pipeline.storage.landing.guards.parquet import (
    NUMBER,
    TEXT,
    TEXT_LIST,
    ColumnTypeCheck,
    checked_row_count,
    parquet_footer,
)
from amzseg_pipeline.storage.landing.readers.parquet_texts import parquet_texts
from amzseg_pipeline_tests.storage.landing.parquet_footers import set_footer_number
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    landing_zone,
    opened,
    parquet,
    review_2023,
    reviews_read,
)

COLUMN_TYPES = {"user_id": TEXT, "rating": NUMBER}
COMPLETE = parquet([{"user_id": f"U{n}", "rating": n / 2, "text": "x" * 100} for n in range(1000)])


def row_count(path: Path, settings: Settings, *, column_types: dict[str, ColumnTypeCheck]) -> int:
    return checked_row_count(path, parquet_footer(path), settings, column_types=column_types)


def written(folder: Path, content: bytes) -> Path:
    (folder / "a.parquet").write_bytes(content)
    return folder / "a.parquet"


def test_counts_the_rows_of_a_complete_file(tmp_path: Path) -> None:
    path = written(tmp_path, COMPLETE)
    assert row_count(path, Settings(), column_types=COLUMN_TYPES) == 1000
    assert parquet_footer(path).schema.names == ["user_id", "rating", "text"]
    assert opened(path).names == (("user_id", "rating", "text"),)


@pytest.mark.parametrize(
    "content",
    [
        COMPLETE[:-1],
        COMPLETE[:-8],
        COMPLETE[: len(COMPLETE) // 2],
        b"PAR1",
        b"PAR1PAR1",
        b"PAR1" + b"\xff" * 100 + b"PAR1",
        COMPLETE + b"\n",
    ],
)
def test_a_cut_or_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RefusedInput, match=r"the parquet file is damaged or cut \(.*\); deliver it again"):
        opened(written(tmp_path, content))


REVIEWS = parquet([review_2023(1), review_2023(2)]).split(b"user_id")


@pytest.mark.parametrize("occurrence", range(1, len(REVIEWS)))
def test_a_column_name_that_is_not_text_is_refused(tmp_path: Path, occurrence: int) -> None:
    damaged = b"user_id".join(REVIEWS[:occurrence]) + b"us\xc7r_id" + b"user_id".join(REVIEWS[occurrence:])
    with pytest.raises(RefusedInput, match=r"a\.parquet: the parquet file is damaged or cut"):
        reviews_read(landing_zone(tmp_path, {"a.parquet": damaged}))


def test_refuses_damaged_pages(tmp_path: Path) -> None:
    content = bytearray(parquet([{"user_id": f"U{n}"} for n in range(1000)]))
    content[20:600] = b"\xff" * 580
    with pytest.raises(RefusedInput, match="damaged or cut"):
        list(parquet_texts(opened(written(tmp_path, bytes(content))), column_types={"user_id": TEXT}))


def test_refuses_a_file_without_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"user_id": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(RefusedInput, match="columns but no rows"):
        row_count(tmp_path / "a.parquet", Settings(), column_types=COLUMN_TYPES)


@pytest.mark.parametrize(
    ("column_type", "values", "message"),
    [
        (TEXT, [1], "column user_id is int64; write it as text"),
        (TEXT, [b"U"], "column user_id is binary; write it as text"),
        (NUMBER, ["1"], "column user_id is string; write it as a number"),
        (TEXT_LIST, [[1]], r"column user_id is list<.*; write it as a list of texts"),
    ],
)
def test_refuses_unsuitable_column_types(
    tmp_path: Path, column_type: object, values: list[object], message: str
) -> None:
    pq.write_table(pa.table({"user_id": values}), tmp_path / "a.parquet")
    with pytest.raises(RefusedInput, match=message):
        row_count(tmp_path / "a.parquet", Settings(), column_types={"user_id": column_type})


def test_refuses_too_many_rows_for_the_file_size(tmp_path: Path) -> None:
    zeros = pa.table({"rating": pa.array(np.zeros(2**20, np.int8))})
    with pq.ParquetWriter(tmp_path / "a.parquet", zeros.schema) as writer:
        for _ in range(17):
            writer.write_table(zeros)
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(RefusedInput, match=r"bytes expands to 17,825,792 in 17,825,792 rows; .*max_expansion_ratio"):
        row_count(tmp_path / "a.parquet", Settings(), column_types=COLUMN_TYPES)
    assert (
        row_count(tmp_path / "a.parquet", Settings(max_expansion_ratio=10**4), column_types=COLUMN_TYPES) == 17 * 2**20
    )


def plain_texts(folder: Path) -> Path:
    """20 MB of text in two row groups of some kilobytes."""
    texts = pa.table({"user_id": ["A" * 1_000] * 20_000, "rating": [1.0] * 20_000})
    pq.write_table(texts, folder / "a.parquet", compression="zstd", use_dictionary=False, row_group_size=10_000)
    return folder / "a.parquet"


def test_ignores_false_sizes_in_the_footer(tmp_path: Path) -> None:
    path = plain_texts(tmp_path)
    footer = pq.read_metadata(path)
    for actual in {footer.row_group(group).column(0).total_uncompressed_size for group in range(2)}:
        set_footer_number(path, actual=actual, stated=900)
    assert pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size == 900
    with pytest.raises(RefusedInput, match=r"expands to 20,\d{3},\d{3} in 20,000 rows"):
        row_count(path, Settings(), column_types=COLUMN_TYPES)
    assert row_count(path, Settings(max_expansion_ratio=10**5), column_types=COLUMN_TYPES) == 20_000


@pytest.mark.parametrize(
    ("actual", "message"),
    [(20_000, "states 7 rows and its row groups 20,000"), (10_000, "states 20,000 rows and its row groups 14")],
)
def test_refuses_a_contradictory_footer(tmp_path: Path, actual: int, message: str) -> None:
    path = plain_texts(tmp_path)
    set_footer_number(path, actual=actual, stated=7)
    with pytest.raises(RefusedInput, match=f"damaged or cut .*{message}"):
        row_count(path, Settings(), column_types=COLUMN_TYPES)


def test_refuses_a_footer_that_hides_rows(tmp_path: Path) -> None:
    path = plain_texts(tmp_path)
    set_footer_number(path, actual=20_000, stated=14)
    set_footer_number(path, actual=10_000, stated=7)
    assert pq.read_metadata(path).num_rows == 14
    with pytest.raises(
        RefusedInput, match=r"damaged or cut .*user_id has pages of [\d,]+ values where the footer states 7"
    ):
        row_count(path, Settings(), column_types=COLUMN_TYPES)


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
def test_reads_page_headers_of_common_writers(tmp_path: Path, options: dict[str, object]) -> None:
    rows = pa.table(
        {
            "user_id": [f"U{number % 300}" if number % 7 else None for number in range(1_000)],
            "rating": [number / 2 for number in range(1_000)],
            "texts": [["x"] * (number % 4) for number in range(1_000)],
        }
    )
    pq.write_table(rows, tmp_path / "a.parquet", **options)
    column_types = {**COLUMN_TYPES, "texts": TEXT_LIST}
    assert row_count(tmp_path / "a.parquet", Settings(), column_types=column_types) == 1_000
    duckdb.from_arrow(rows).write_parquet(str(tmp_path / "b.parquet"))
    assert row_count(tmp_path / "b.parquet", Settings(), column_types=column_types) == 1_000
    polars.from_arrow(rows).write_parquet(tmp_path / "c.parquet")
    assert row_count(tmp_path / "c.parquet", Settings(), column_types=column_types) == 1_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_pages_are_counted_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(COMPLETE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(4, len(content) // 2))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with suppress(RefusedInput):
        assert row_count(written(tmp_path, bytes(content)), Settings(), column_types=COLUMN_TYPES) == 1000


def test_cuts_a_long_dictionary_text_before_copying_it(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000), ["x" * 1_000_000])
    pq.write_table(pa.table({"user_id": texts}), tmp_path / "a.parquet")
    pool_bytes = pa.total_allocated_bytes()
    for batch in parquet_texts(opened(tmp_path / "a.parquet"), column_types={"user_id": TEXT}):
        assert pc.binary_length(batch["user_id"][0]).as_py() == 4097
        assert pa.total_allocated_bytes() - pool_bytes < 200_000_000


def test_the_size_limit_counts_only_columns_that_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, parquet([{"user_id": f"{n:06}", "text": f"{n:06}" * 100} for n in range(1000)]))
    assert row_count(path, Settings(max_expanded_bytes=50_000), column_types={"user_id": TEXT}) == 1000
    with pytest.raises(RefusedInput, match="max_expanded_bytes"):
        row_count(path, Settings(max_expanded_bytes=50_000), column_types={"user_id": TEXT, "text": TEXT})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(COMPLETE)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = written(tmp_path, bytes(content))
    try:
        export = opened(path)
        if export.file_type != "parquet":
            return
        rows = sum(len(batch) for batch in parquet_texts(export, column_types=COLUMN_TYPES))
    except RefusedInput:
        return
    assert rows == 1000
