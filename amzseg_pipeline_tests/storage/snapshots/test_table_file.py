import re
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.snapshots.table_file import ROW_GROUP_ROWS, write_table_file

VISITS = Table(
    "visits",
    "Shops and days.",
    (
        Column("shop", "string", "shop"),
        Column("day", "int64", "day", unit="days", minimum=0, maximum=10**9),
        Column("spend", "float64", "spend", nullable=True, minimum=0),
        Column("note", "string", "note", nullable=True),
        Column("is_open", "bool", "open"),
        Column("on", "date", "on", nullable=True),
    ),
    key=("shop", "day"),
)

row = st.fixed_dictionaries(
    {
        "shop": st.text(st.characters(exclude_categories=("Cs",)), max_size=3),
        "day": st.integers(0, 3),
        "spend": st.none() | st.floats(0, 1e300),
        "note": st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=3),
        "is_open": st.booleans(),
        "on": st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
    }
)


def batches_of(rows: list[dict[str, Any]], *, batch_rows: int = 1000) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist(rows, schema=arrow_schema(VISITS)).to_batches(max_chunksize=batch_rows)


def key_of(row: dict[str, Any]) -> tuple[bytes, int]:
    return row["shop"].encode(), row["day"]


def visit(**values: Any) -> dict[str, Any]:
    return {"shop": "a", "day": 1, "spend": 2.0, "note": None, "is_open": True, "on": None} | values


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=12, unique_by=key_of), batch_rows=st.integers(1, 12))
def test_writes_sorted_rows_whatever_their_batches(tmp_path: Path, rows: list[dict[str, Any]], batch_rows: int) -> None:
    rows = sorted(rows, key=key_of)
    written = write_table_file(tmp_path / "one", VISITS, batches=batches_of(rows, batch_rows=batch_rows))
    write_table_file(tmp_path / "other", VISITS, batches=batches_of(rows))

    found = pq.ParquetFile(tmp_path / "one").read()
    assert written == len(rows)
    assert found.to_pylist() == rows
    assert found.schema.equals(arrow_schema(VISITS))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, min_size=2, max_size=8), batch_rows=st.integers(1, 8))
def test_rejects_exactly_the_rows_that_do_not_ascend(
    tmp_path: Path, rows: list[dict[str, Any]], batch_rows: int
) -> None:
    keys = [key_of(row) for row in rows]
    falls = [number for number in range(1, len(keys)) if keys[number] <= keys[number - 1]]
    if not falls:
        assert write_table_file(tmp_path / "rows", VISITS, batches=batches_of(rows, batch_rows=batch_rows)) == len(rows)
        return
    fault = "repeats the key" if keys[falls[0]] == keys[falls[0] - 1] else "sorts before"
    with pytest.raises(TableError, match=f"row {falls[0] + 1} {fault}"):
        write_table_file(tmp_path / "rows", VISITS, batches=batches_of(rows, batch_rows=batch_rows))


def numbered(first: int, last: int) -> pa.RecordBatch:
    days = range(first, last)
    columns = {
        "shop": pa.array(["a"] * len(days)),
        "day": pa.array(days, pa.int64()),
        "spend": pa.array([day / 7 for day in days]),
        "note": pa.array([f"{day:020d}" for day in days]),  # more than a page of text
        "is_open": pa.array([True] * len(days)),
        "on": pa.nulls(len(days)),
    }
    return pa.RecordBatch.from_pydict(columns)


@pytest.mark.parametrize("batch_rows", [777, 400_000])
def test_row_groups_do_not_depend_on_batches(tmp_path: Path, batch_rows: int) -> None:
    total = 2 * ROW_GROUP_ROWS + 100_000
    batches = [numbered(first, min(first + batch_rows, total)) for first in range(0, total, batch_rows)]
    assert write_table_file(tmp_path / "rows", VISITS, batches=iter(batches)) == total
    write_table_file(tmp_path / "at once", VISITS, batches=[numbered(0, total)])

    footer = pq.read_metadata(tmp_path / "rows")
    assert [footer.row_group(group).num_rows for group in range(3)] == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 100_000]
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "at once").read_bytes()


def test_checks_order_across_row_groups(tmp_path: Path) -> None:
    batches = [numbered(0, ROW_GROUP_ROWS), numbered(ROW_GROUP_ROWS - 1, ROW_GROUP_ROWS + 1)]
    with pytest.raises(TableError, match=f"row {ROW_GROUP_ROWS + 1} repeats the key of the row above"):
        write_table_file(tmp_path / "rows", VISITS, batches=batches)


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.large_string())], ids=str
)
def test_casts_every_text_type_to_string(tmp_path: Path, kind: pa.DataType) -> None:
    rows = pa.Table.from_batches(batches_of([visit(shop="a"), visit(shop="b")]))
    rows = rows.set_column(0, "shop", rows["shop"].cast(pa.string()).cast(kind))
    write_table_file(tmp_path / "rows", VISITS, batches=rows.to_batches())
    assert pq.read_schema(tmp_path / "rows").field("shop").type == pa.string()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shop": None}, "column shop has 1 nulls in rows 1 to 1, but must not be null"),
        ({"spend": float("nan")}, "column spend has values in rows 1 to 1 that are not finite"),
        ({"spend": float("inf")}, "column spend has values in rows 1 to 1 that are not finite"),
        ({"spend": -0.01}, "column spend has values in rows 1 to 1 below 0"),
        ({"day": 10**9 + 1}, "column day has values in rows 1 to 1 above 1000000000"),
    ],
)
def test_rejects_values_outside_the_contract(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=re.escape(f"visits.parquet: {message}")):
        write_table_file(tmp_path / "rows", VISITS, batches=batches_of([visit(**values)]))


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("day", pa.array([1.0])),
        ("day", pa.array([1], pa.int32())),
        ("spend", pa.array([1], pa.int64())),
        ("shop", pa.array([b"a"])),
        ("is_open", pa.array([1], pa.int8())),
        ("on", pa.array([0], pa.timestamp("ms"))),
    ],
)
def test_rejects_other_types(tmp_path: Path, column: str, values: pa.Array) -> None:
    rows = pa.Table.from_batches(batches_of([visit()]))
    rows = rows.set_column(rows.schema.get_field_index(column), column, values)
    with pytest.raises(TableError, match=f"column {column} is of type {re.escape(str(values.type))} and must be"):
        write_table_file(tmp_path / "rows", VISITS, batches=rows.to_batches())


def test_accepts_columns_in_any_order(tmp_path: Path) -> None:
    rows = pa.Table.from_batches(batches_of([visit()])).select(list(reversed(VISITS.column_names)))
    write_table_file(tmp_path / "rows", VISITS, batches=rows.to_batches())
    assert pq.read_schema(tmp_path / "rows").names == list(VISITS.column_names)


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    assert write_table_file(tmp_path / "rows", VISITS, batches=[]) == 0
    assert pq.read_schema(tmp_path / "rows").equals(arrow_schema(VISITS))


def test_a_table_without_a_key_has_no_order(tmp_path: Path) -> None:
    anyhow = Table("visits", "Any order.", VISITS.columns)
    rows = pa.Table.from_batches(batches_of([visit(day=2), visit(day=1), visit(day=1)])).to_batches()
    assert write_table_file(tmp_path / "rows", anyhow, batches=rows) == 3
