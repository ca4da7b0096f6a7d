"""Snapshots are published completely or not at all.

Over 250 lines: every file of a snapshot, and every refusal.
"""

import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import SnapshotError, TableError
from amzseg_pipeline.contracts.history import SEGMENT_HISTORY, SEGMENT_MIGRATIONS
from amzseg_pipeline.contracts.publish import PUBLISHED_FILES, PUBLISHED_TABLES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.parquet.arrow_schema import CONTRACT_METADATA, arrow_schema
from amzseg_pipeline.storage.snapshots import latest_manifest, publish, read_latest, repoint
from amzseg_pipeline_tests.storage.snapshots.runs import (
    provenance_of,
    publish_run,
    run_of,
    segment_assignments,
    segment_history,
    segment_migrations,
    segment_profiles,
    small_tables,
)


def files_in(published: Path) -> set[str]:
    return {path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()}


def test_a_snapshot_has_the_files_of_the_contract(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1)

    folder = "snapshots/000001-20260101T020000Z-00000001"
    tables_and_files = {f"{table.name}.parquet" for table in PUBLISHED_TABLES} | set(PUBLISHED_FILES)
    assert snapshot.path == tmp_path / "published" / folder
    assert files_in(tmp_path / "published") - {".lock"} == {
        "LATEST.json",
        f"{folder}/datapackage.json",
        *(f"{folder}/{name}" for name in tables_and_files),
    }
    pointer = json.loads((tmp_path / "published/LATEST.json").read_bytes())
    assert pointer == {
        "format": 1,
        "sequence": 1,
        "run_id": "00000001-run",
        "manifest": f"{folder}/datapackage.json",
        "sha256": sha256_of(snapshot.path / "datapackage.json"),
    }


def test_the_manifest_describes_the_snapshot(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1, users=20)
    manifest = json.loads((snapshot.path / "datapackage.json").read_bytes())

    assert manifest == snapshot.manifest == latest_manifest(tmp_path / "published")
    expected = {
        "profile": "data-package",
        "created": "2026-01-01T02:00:00Z",
        "sequence": 1,
        "revision": 0,
        "predecessor": None,
        "run_id": "00000001-run",
        "contract_version": "1.0",
        "model_version": "m1",
        "code_version": "c1",
        "settings_hash": Settings().result_hash,
        "currency": "INR",
        "inputs": [{"path": "amazon.csv", "batch": "0123456789abcdef", "rows": 20}],
    }
    assert {name: manifest[name] for name in expected} == expected
    for resource in manifest["resources"]:
        path = snapshot.path / resource["path"]
        assert (resource["bytes"], resource["hash"]) == (path.stat().st_size, f"sha256:{sha256_of(path)}")
    assignments = manifest["resources"][0]
    assert (assignments["name"], assignments["rows"]) == ("segment_assignments", 20)
    assert assignments["schema"]["primaryKey"] == ["user_id"]
    assert [field["name"] for field in assignments["schema"]["fields"]] == list(SEGMENT_ASSIGNMENTS.column_names)
    assert {
        "name": "avg_rating",
        "type": "number",
        "description": "mean rating",
        "unit": "stars",
        "constraints": {"required": False, "minimum": 1, "maximum": 5},
    } in assignments["schema"]["fields"]


READERS = {
    "pandas": lambda path: pa.Table.from_pandas(pd.read_parquet(path, dtype_backend="pyarrow"), preserve_index=False),
    "pyarrow": lambda path: pq.ParquetFile(path).read(),
    "duckdb": lambda path: duckdb.connect().read_parquet(str(path)).to_arrow_table(),
    "polars": lambda path: pl.read_parquet(path).to_arrow(),
}


@pytest.mark.parametrize("reader", READERS)
def test_all_readers_return_the_same_types_and_rows(tmp_path: Path, reader: str) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    for table, rows in {
        SEGMENT_ASSIGNMENTS: segment_assignments(1, users=20),
        SEGMENT_PROFILES: segment_profiles(1),
        SEGMENT_MIGRATIONS: segment_migrations(1),
        SEGMENT_HISTORY: segment_history(1),
    }.items():
        found = READERS[reader](snapshot.table_path(table.name))
        kinds = [re.sub("large_string|string_view", "string", str(kind)) for kind in found.schema.types]
        assert kinds == [str(kind) for kind in arrow_schema(table).types]
        assert found.to_pylist() == rows.to_pylist()


def test_duckdb_and_polars_read_the_types_of_the_contract(tmp_path: Path) -> None:
    path = publish_run(tmp_path / "published", 1).table_path("segment_assignments")
    duck = {"string": "VARCHAR", "int64": "BIGINT", "float64": "DOUBLE", "bool": "BOOLEAN", "date": "DATE"}
    polars = {"string": pl.String, "int64": pl.Int64, "float64": pl.Float64, "bool": pl.Boolean, "date": pl.Date}

    described = duckdb.connect().read_parquet(str(path))
    assert [str(kind) for kind in described.types] == [duck[column.type] for column in SEGMENT_ASSIGNMENTS.columns]
    assert pl.read_parquet_schema(path) == {column.name: polars[column.type] for column in SEGMENT_ASSIGNMENTS.columns}


def test_tables_have_plain_dtypes(tmp_path: Path) -> None:
    frame = publish_run(tmp_path / "published", 1).segment_assignments()

    dtypes = {"string": "str", "int64": "int64", "float64": "float64", "bool": "bool", "date": "datetime64[ms]"}
    assert [str(kind) for kind in frame.dtypes] == [dtypes[column.type] for column in SEGMENT_ASSIGNMENTS.columns]
    assert frame["as_of"].eq(pd.Timestamp(date(2026, 1, 1))).all()


def test_parquet_metadata_contains_the_contract(tmp_path: Path) -> None:
    schema = pq.read_schema(publish_run(tmp_path / "published", 1).table_path("segment_assignments"))

    contract = json.loads(schema.metadata[CONTRACT_METADATA])
    assert (contract["version"], contract["table"], contract["primaryKey"]) == (
        "1.0",
        "segment_assignments",
        ["user_id"],
    )
    assert schema.field("avg_rating").metadata[b"unit"] == b"stars"
    assert schema.field("user_id").type == pa.string() and not schema.field("user_id").nullable


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    one = publish_run(tmp_path / "one/published", 1, users=500, batch_rows=7)
    other = publish_run(tmp_path / "other/published", 1, users=500, batch_rows=300)
    for path in sorted(one.path.iterdir()):
        assert path.read_bytes() == (other.path / path.name).read_bytes(), path.name


def test_sequences_increase_after_rollback_and_losses(tmp_path: Path) -> None:
    published = tmp_path / "published"
    for run_day in (1, 2, 3):
        assert publish_run(published, run_day).sequence == run_day
    assert repoint(published, 1).sequence == 1
    assert run_of(read_latest(tmp_path)) == 1
    assert publish_run(published, 4).sequence == 4
    (published / "LATEST.json").write_bytes(b"{")
    assert publish_run(published, 5).sequence == 5
    (published / "LATEST.json").unlink()
    assert publish_run(published, 6).sequence == 6
    shutil.rmtree(published / "snapshots")
    assert publish_run(published, 7).sequence == 7
    assert run_of(read_latest(tmp_path)) == 7


def test_a_retried_step_only_moves_the_pointer(tmp_path: Path) -> None:
    published = tmp_path / "published"
    first = publish_run(published, 1)
    publish_run(published, 2)
    before = files_in(published)

    assert publish_run(published, 1) == first
    assert read_latest(tmp_path) == first
    assert files_in(published) == before


def test_a_run_cannot_publish_other_bytes(tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish_run(published, 1)
    with pytest.raises(
        SnapshotError, match=r"00000001-run has published this before, and segment_assignments\.parquet"
    ):
        publish_run(published, 1, users=21)
    assert len(read_latest(tmp_path).segment_assignments()) == 20


def test_distinguishes_run_ids_with_the_same_prefix(tmp_path: Path) -> None:
    published = tmp_path / "published"
    tables = {SEGMENT_ASSIGNMENTS: segment_assignments(1, users=3).to_batches(), **small_tables(1)}
    for sequence, run_id in ((1, "abcdefgh-1"), (2, "abcdefgh-2")):
        snapshot = publish(
            published,
            replace(provenance_of(1), run_id=run_id),
            tables=tables,
            files={name: run_id.encode() for name in PUBLISHED_FILES},
            settings=Settings(),
        )
        assert (snapshot.sequence, snapshot.run_id) == (sequence, run_id)


def test_rejects_rollback_to_a_damaged_snapshot(tmp_path: Path) -> None:
    published = tmp_path / "published"
    damaged = publish_run(published, 1).path / "run.json"
    publish_run(published, 2)
    damaged.write_bytes(b"{}")
    for again in (lambda: repoint(published, 1), lambda: publish_run(published, 1)):
        with pytest.raises(SnapshotError, match=re.escape(str(damaged))):
            again()
    assert run_of(read_latest(tmp_path)) == 2


def test_rollback_to_an_unknown_snapshot_lists_the_known_ones(tmp_path: Path) -> None:
    publish_run(tmp_path / "published", 1)
    with pytest.raises(SnapshotError, match="no snapshot 7; there are 000001-20260101T020000Z-00000001"):
        repoint(tmp_path / "published", 7)


def _shuffled(rows: pa.Table) -> pa.Table:
    return rows.take([1, 0, *range(2, rows.num_rows)])


def _doubled(rows: pa.Table) -> pa.Table:
    return rows.take([0, 1, 1, 2])


REFUSED_ROWS = {
    "row 2 sorts before the row above": _shuffled,
    "row 3 repeats the key of the row above": _doubled,
    "missing ['margin']": lambda rows: rows.drop_columns("margin"),
    "unknown or repeated ['name']": lambda rows: rows.append_column("name", rows["user_id"]),
    "column total_reviews is of type int32 and must be int64": lambda rows: rows.set_column(
        3, "total_reviews", rows["total_reviews"].cast(pa.int32())
    ),
}


@pytest.mark.parametrize("message", REFUSED_ROWS)
def test_rejects_rows_that_break_the_contract(tmp_path: Path, message: str) -> None:
    published = tmp_path / "published"
    publish_run(published, 1)
    before = files_in(published)
    rows = REFUSED_ROWS[message](segment_assignments(2, users=5))
    with pytest.raises(TableError, match=re.escape(message)) as caught:
        publish(
            published,
            provenance_of(2),
            tables={SEGMENT_ASSIGNMENTS: rows.to_batches(), **small_tables(2)},
            files=dict.fromkeys(PUBLISHED_FILES, b"{}"),
            settings=Settings(),
        )
    assert "segment_assignments.parquet" in str(caught.value)
    assert files_in(published) == before
    assert run_of(read_latest(tmp_path)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_id": "../../etc"}, "is not a run id"),
        ({"run_id": ""}, "is not a run id"),
        ({"created": datetime(2026, 1, 1)}, "no time zone"),
    ],
)
def test_rejects_invalid_provenance(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        publish(
            tmp_path / "published",
            replace(provenance_of(1), **change),
            tables={SEGMENT_ASSIGNMENTS: [], **small_tables(1)},
            files=dict.fromkeys(PUBLISHED_FILES, b""),
            settings=Settings(),
        )
    assert not (tmp_path / "published").exists()


def test_rejects_missing_and_unknown_files(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match=r"not segment_profiles, \.\./evil"):
        publish(
            tmp_path / "published",
            provenance_of(1),
            tables={SEGMENT_PROFILES: []},
            files={"../evil": b""},
            settings=Settings(),
        )


def test_an_error_in_the_batches_leaves_the_latest_snapshot(tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish_run(published, 1)

    def broken() -> Iterator[pa.RecordBatch]:
        yield from segment_assignments(2, users=20).to_batches(max_chunksize=5)[:2]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        publish(
            published,
            provenance_of(2),
            tables={SEGMENT_ASSIGNMENTS: broken(), **small_tables(2)},
            files=dict.fromkeys(PUBLISHED_FILES, b"{}"),
            settings=Settings(),
        )
    assert run_of(read_latest(tmp_path)) == 1
    assert list((published / ".staging").iterdir()) == []


def test_concurrent_publishers_are_serialised(tmp_path: Path) -> None:
    published = tmp_path / "published"
    sequences: list[int] = []

    def runs(first: int) -> None:
        sequences.extend(publish_run(published, run_day).sequence for run_day in range(first, first + 5))

    threads = [threading.Thread(target=runs, args=(first,)) for first in (1, 101)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if (published / "LATEST.json").exists():
            run_of(read_latest(tmp_path))
    for thread in threads:
        thread.join()
    assert sorted(sequences) == list(range(1, 11))
    assert read_latest(tmp_path).sequence == 10
