"""The peers in benchmarks/peers write the same tables as this project, so that their costs can be compared."""

import gzip
import importlib
import json
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.steps.users import as_of_date
from amzseg_pipeline_tests.storage.engines.synthetic import (
    TABLES,
    built_tables,
    data_root_of,
    duckdb_engine,
    item_batch,
    review_batch,
)
from benchmarks import same_features, scale_tables
from benchmarks.generate_reviews import Population, write_file
from benchmarks.peers.segments import write_segments
from benchmarks.peers.task import CLEANED, FEATURES, REJECTED, Task

FILES = dict(zip(TABLES, (CLEANED, REJECTED, FEATURES), strict=True))
Rows = list[dict[str, object]]


def with_values(rows: pa.Table, column: str, values: dict[int, object]) -> pa.Table:
    """The same rows with other values of a column in some of them: row index -> value."""
    changed = rows[column].to_pylist()
    for row, value in values.items():
        changed[row] = value
    return rows.set_column(rows.column_names.index(column), column, pa.array(changed, rows[column].type))


def odd_reviews() -> pa.Table:
    """Reviews without ids or times, with invalid ratings and times, and with duplicates."""
    rows = with_values(review_batch(0, 3_000), "user_id", {1: None, 2: "", 3: None})
    rows = with_values(rows, "parent_asin", {3: None, 4: "", 5: None})
    rows = with_values(rows, "timestamp", {4: None, 6: None, 7: -1, 8: 10**14})
    rows = with_values(rows, "rating", {8: 7.0, 9: 4.55, 10: None, 11: 0.0, 12: 0.5})
    return pa.concat_tables([rows, with_values(rows.slice(8, 5), "rating", {0: 9.0, 1: 3.0, 2: 0.0, 3: None, 4: 9.0})])


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    root = tmp_path_factory.mktemp("exports")
    data_root = data_root_of(
        root, Reviews_00000=odd_reviews(), Reviews_00001=review_batch(900, 1_400), meta_00000=item_batch()
    )
    return Task(data_root.landing, root / "out", root / "temporary", threads=1, memory_mib=500, publish=False)


@pytest.fixture(scope="module")
def expected(task: Task, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    folder = tmp_path_factory.mktemp("expected")
    data_root = data_root_of(folder)
    for path in task.landing.iterdir():
        (data_root.landing / path.name).hardlink_to(path)
    with duckdb_engine(folder / "temporary") as engine:
        newest = as_of_date(
            built_tables(data_root, engine).partitioned.newest_reviewed_at_ms, run_date=date(2100, 1, 1)
        )
        tables = built_tables(data_root, engine, as_of=newest)
        return {name: comparable(tables.rows(name)) for name in TABLES}


def comparable(rows: Rows) -> Rows:
    """The rows sorted, with columns sorted, floats rounded to ten digits and timestamps as dates."""
    return sorted(({name: _comparable(row[name]) for name in sorted(row)} for row in rows), key=str)


def _comparable(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return value.date() if isinstance(value, pd.Timestamp | datetime) else value


def differing(first: dict[str, object], second: dict[str, object]) -> dict[str, tuple[object, object]]:
    """The columns in which two rows differ, with both values."""
    return {name: (first[name], second.get(name)) for name in first if first[name] != second.get(name)}


@pytest.mark.parametrize("peer", ["duckdb_sql", "polars_lazy", "pandas_frames"])
def test_a_peer_writes_the_same_tables(task, expected, tmp_path, peer):
    task = Task(task.landing, tmp_path / "out", tmp_path / "temporary", threads=1, memory_mib=500, publish=False)
    task.out.mkdir()
    importlib.import_module(f"benchmarks.peers.{peer}").write_tables(task)
    for name, file in FILES.items():
        found = comparable(pq.read_table(task.out / file).to_pylist())
        assert len(found) == len(expected[name]) > 5
        assert list(map(differing, expected[name], found)) == [{}] * len(found)


def test_the_exports_have_rejections_faults_and_duplicates(expected):
    assert {row["reason"] for row in expected["rejected_reviews"]} == {
        "the user id is empty",
        "the review id is empty",
        "the item id is empty",
    }
    unreadable = {row["unreadable"] for row in expected["cleaned_reviews"]}
    assert {None, "rating", "reviewed_at", "rating,reviewed_at"} >= unreadable > {None, "rating"}
    assert max(row["duplicate_count"] for row in expected["cleaned_reviews"]) > 0


def features_file(path: Path, **changes: object) -> Path:
    rows = [{**dict.fromkeys(same_features.EXACT, 1), **dict.fromkeys(same_features.FLOATS, 0.5), "user_id": "A"}]
    rows[0]["as_of"] = date(2023, 9, 9)
    pq.write_table(pa.Table.from_pylist([{**row, **changes} for row in rows]), path)
    return path


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({}, 0),
        ({"avg_rating": 0.5 + 1e-12}, 0),
        ({"avg_rating": 0.5 + 1e-8}, 1),
        ({"avg_rating": None}, 1),
        ({"total_reviews": 2}, 1),
        ({"as_of": date(2023, 9, 8)}, 1),
        ({"user_id": "B"}, 2),
    ],
)
def test_counts_users_that_differ(tmp_path, change, differing):
    first, second = features_file(tmp_path / "1.parquet"), features_file(tmp_path / "2.parquet", **change)
    assert same_features.differences(str(first), second) == differing


def test_labels_users_from_the_features_of_any_peer(tmp_path):
    features = [
        {
            "user_id": f"U{n:03d}",
            "user_hash": n,
            "total_reviews": 1 + n % 7,
            "avg_rating": 1 + n % 5,
            "avg_discount": None,
        }
        | {"avg_spend": None if n % 3 else 10.0 * n, "engagement_score": float(n)}
        for n in range(200)
    ]
    schema = pa.schema([("user_id", pa.string()), ("user_hash", pa.int64()), ("total_reviews", pa.int64())])
    for name in ("avg_rating", "avg_discount", "avg_spend", "engagement_score"):
        schema = schema.append(pa.field(name, pa.float64()))
    pq.write_table(pa.Table.from_pylist(features[::-1], schema), tmp_path / FEATURES)
    write_segments(tmp_path / FEATURES, tmp_path / "segments.parquet")
    rows = pq.read_table(tmp_path / "segments.parquet")
    assert rows["user_id"].to_pylist() == [user["user_id"] for user in features]
    assert set(rows["segment"].to_pylist()) == {0, 1, 2, 3}


def test_table_shows_medians_and_the_largest_memory():
    runs = [
        {
            "peer": "pipeline",
            "rows": 10_000_000,
            "exports": "parquet",
            "to_features": {"cpu_seconds": seconds, "wall_seconds": seconds / 2},
            "to_published": None,
            "memory_mib": 1024 * seconds,
            "temporary_mib": 0,
            "export_bytes": 1_234_000_000,
            "load_before": seconds,
        }
        for seconds in (3.0, 1.0, 2.0)
    ]
    (_, _, row) = scale_tables.table(runs).splitlines()
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("10,000,000", "1.23 GB", "amzseg_pipeline", "2.0", "1.0", "", "", "3.0 GiB", "0", "2.0", "3"),
    ]


def test_json_lines_of_synthetic_reviews_have_480_bytes_on_average(tmp_path):
    write_file(Population(20_000), tmp_path / "Reviews.jsonl.gz", 0, 20_000)
    lines = gzip.decompress((tmp_path / "Reviews.jsonl.gz").read_bytes()).splitlines()
    assert 465 < sum(map(len, lines)) / len(lines) < 495
    texts = [json.loads(line)["text"] for line in lines if line.startswith(b'{"images"')]
    assert len(set(texts)) > 0.95 * len(texts) > 18_000
