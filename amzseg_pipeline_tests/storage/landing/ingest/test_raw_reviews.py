"""The landing zone becomes batch files of raw_reviews: one per content, all files or none.

Over 250 lines: everything that may happen to a file while it is read.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS, RejectionReason
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing.ingest.raw_reviews import in_process, raw_reviews
from amzseg_pipeline.storage.landing.readers import json_lines
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline_tests.storage.landing.synthetic_exports import json_lines as jsonl
from amzseg_pipeline_tests.storage.landing.synthetic_exports import (
    landing_zone,
    raw_rows,
    review_2023,
    reviews_read,
    sales_csv,
)

A = sales_csv([{"product_id": "A"}])
B = sales_csv([{"product_id": "B"}, {"user_id": "X"}])
DOLLARS = sales_csv([{"discounted_price": "$4", "actual_price": "$5"}])


@contextmanager
def refused(*messages: str) -> Iterator[None]:
    """The block raises a RefusedInput that contains all messages."""
    with pytest.raises(RefusedInput) as caught:
        yield
    for message in messages:
        assert message in str(caught.value)


def batch_files(data_root: DataRoot) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data_root.warehouse / "raw_reviews").iterdir()}


def test_every_export_becomes_a_batch_file(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"2024/b.csv": B, "a.csv": A})
    reviews = reviews_read(data_root)
    b, a = reviews.batches
    assert (a.path, a.also_at, a.rows, a.records, a.read_errors, a.currency) == ("a.csv", (), 2, 1, 0, "INR")
    assert (b.path, b.size_bytes, b.rows, b.records, b.read_errors) == ("2024/b.csv", len(B), 3, 2, 1)
    assert a.format == "Amazon Sales Dataset CSV"
    assert (reviews.rows, reviews.records, reviews.read_errors, reviews.currency) == (5, 3, 1, "INR")
    assert (reviews.skipped, reviews.refused) == ((), ())
    for batch in reviews.batches:
        assert pq.read_schema(batch.parquet_path).equals(arrow_schema(RAW_REVIEWS))


def test_rows_have_their_source_and_every_column(tmp_path: Path) -> None:
    reviews = reviews_read(landing_zone(tmp_path, {"2024/b.csv": B}))
    first, _, fault = raw_rows(reviews)
    assert tuple(first) == RAW_REVIEWS.column_names
    assert first["source_file"] == fault["source_file"] == "2024/b.csv"
    assert first["batch"] == fault["batch"] == reviews.batches[0].sha256[:16]
    assert (first["row_number"], fault["row_number"]) == (1, 2)
    assert fault["read_error"] == f"{RejectionReason.UNEQUAL_LISTS}; 1 in user_id, 2 in review_id"
    assert first["reviewed_at"] is None


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "b.csv": B})
    first = reviews_read(data_root)
    inodes = {batch.parquet_path: batch.parquet_path.stat().st_ino for batch in first.batches}
    assert reviews_read(data_root) == first
    assert {batch.parquet_path: batch.parquet_path.stat().st_ino for batch in first.batches} == inodes


def test_does_not_change_the_landing_zone(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "b/b.csv": B, "b/c.csv": A})
    before = {path: path.stat().st_ctime_ns for path in (data_root.landing, *data_root.landing.rglob("*"))}
    reviews_read(data_root)
    assert {path: path.stat().st_ctime_ns for path in (data_root.landing, *data_root.landing.rglob("*"))} == before


def test_the_same_bytes_under_two_names_are_one_batch(tmp_path: Path) -> None:
    reviews = reviews_read(landing_zone(tmp_path, {"b.csv": A, "a.csv": A, "z/c.csv": A}))
    [batch] = reviews.batches
    assert (batch.path, batch.also_at, reviews.rows) == ("a.csv", ("b.csv", "z/c.csv"), 2)
    assert [(file.path, file.reason) for file in reviews.skipped] == [
        ("b.csv", "same content as a.csv, read once"),
        ("z/c.csv", "same content as a.csv, read once"),
    ]


def test_new_bytes_under_an_old_name_replace_the_batch(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    old = batch_files_after_reading(data_root)
    landing_zone(tmp_path, {"a.csv": B})
    assert {row["item_id"] for row in raw_rows(reviews_read(data_root))} == {"B", None}
    assert not old.keys() & batch_files(data_root).keys()


def test_new_bytes_of_the_old_size_and_time_replace_the_batch(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    reviews_read(data_root)
    before = (data_root.landing / "a.csv").stat()
    landing_zone(tmp_path, {"a.csv": A.replace(b"\nA,", b"\nZ,")})
    os.utime(data_root.landing / "a.csv", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (data_root.landing / "a.csv").stat().st_size == before.st_size
    assert {row["item_id"] for row in raw_rows(reviews_read(data_root))} == {"Z"}


def test_a_deleted_file_is_removed(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "b.csv": B})
    reviews_read(data_root)
    (data_root.landing / "b.csv").unlink()
    reviews = reviews_read(data_root)
    assert [batch.path for batch in reviews.batches] == ["a.csv"]
    assert list(batch_files(data_root)) == [reviews.batches[0].parquet_path.name]


def test_a_renamed_file_is_the_same_batch(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    before = batch_files_after_reading(data_root)
    (data_root.landing / "a.csv").rename(data_root.landing / "b.csv")
    assert [batch.path for batch in reviews_read(data_root).batches] == ["b.csv"]
    assert batch_files(data_root) == before


@pytest.mark.parametrize(
    "damage", ["batch file", "cache", "all", "half a batch file", "another contract", "an interrupted write"]
)
def test_rebuilds_a_damaged_warehouse(tmp_path: Path, damage: str) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    before = batch_files_after_reading(data_root)
    [name] = before
    part = data_root.warehouse / "raw_reviews" / name
    match damage:
        case "batch file":
            part.unlink()
        case "cache":
            (data_root.warehouse / "landing.json").write_bytes(b"{")
        case "all":
            part.unlink()
            (data_root.warehouse / "landing.json").unlink()
        case "half a batch file":
            part.write_bytes(before[name][: len(before[name]) // 2])
        case "another contract":
            facts = {b"amzseg_batch": pq.read_metadata(part).metadata[b"amzseg_batch"]}
            pq.write_table(pq.read_table(part).drop_columns("category").replace_schema_metadata(facts), part)
        case "an interrupted write":
            (part.parent / f".{name}.tmp").write_bytes(b"half")
    reviews_read(data_root)
    assert batch_files(data_root) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (A[: len(A) // 2], "looks cut"),
        (A[:-1], "the last record (line 3) has no line end; deliver it again"),
        (
            A.replace(b"user_id", b"user"),
            "it is CSV and most like Amazon Sales Dataset CSV, but: missing 'user_id'",
        ),
        (A.replace(b"red", "café".encode("latin-1")), "0xE9 is not UTF-8"),
        (b"", "the file is empty"),
        (sales_csv([]), "a header but no record"),
        (A.decode().encode("utf-16")[:-3], "UTF-16"),
        (A.replace(b"Good", b"G\0od"), "a NUL byte"),
        (A.replace(b"Electronics", b'5" cables'), "a quote inside a cell"),
        (b"\x1f\x8b\x08\x00", "the gzip file looks cut"),
        (b"# Exports\n\nPut them here.\n", "of no known format"),
        (bytes(range(256)) * 300, "of no known format"),
        (A + sales_csv([{"actual_price": "$5", "discounted_price": ""}]).split(b"\n", 1)[1], "record 2 is in USD"),
    ],
)
def test_refuses_a_broken_file_with_path_location_and_fix(tmp_path: Path, content: bytes, message: str) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    before = batch_files_after_reading(data_root)
    landing_zone(tmp_path, {"broken.csv": content})
    with refused(str(data_root.landing), "\n  broken.csv: ", message):
        reviews_read(data_root)
    assert batch_files(data_root) == before


def test_lists_all_refused_files(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "b.csv": b"", "c/c.csv": B[:-1], "d.csv": b"x\n"})
    (data_root.landing / "e.csv").symlink_to("/etc/hosts")
    with refused(
        "files refused: 4",
        "\n  b.csv: the file is empty",
        "\n  c/c.csv: the file",
        "\n  d.csv: it is CSV of no known format",
    ):
        reviews_read(data_root)
    with refused("\n  e.csv: a link to a path outside"):
        reviews_read(data_root)


def test_refuses_a_file_without_permission(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    (data_root.landing / "a.csv").chmod(0)
    if os.access(data_root.landing / "a.csv", os.R_OK):
        pytest.skip("permissions do not bind this user")
    with refused("a.csv: no permission to read it"):
        reviews_read(data_root)


def test_skips_and_reports_refused_files(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "b.csv": b"", "c.csv": b"x\n", "d.csv": b"x\n"})
    reviews = reviews_read(data_root, on_refused_file="skip")
    assert [batch.path for batch in reviews.batches] == ["a.csv"]
    assert [file.path for file in reviews.refused] == ["b.csv", "c.csv", "d.csv"]
    assert all(file.reason for file in reviews.refused)


def test_fails_when_every_file_is_refused(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"b.csv": b"", "sample_a.csv": A})
    with refused("b.csv: the file is empty"):
        reviews_read(data_root, on_refused_file="skip")


@pytest.mark.parametrize("on_refused_file", ["fail", "skip"])
def test_refuses_files_with_different_currencies(tmp_path: Path, on_refused_file: str) -> None:
    plain = sales_csv([{"discounted_price": "4", "actual_price": "5"}])
    data_root = landing_zone(tmp_path, {"a.csv": A, "plain.csv": plain})
    assert reviews_read(data_root, on_refused_file=on_refused_file).currency == "INR"
    before = batch_files(data_root)
    landing_zone(tmp_path, {"us.csv": DOLLARS})
    with refused("different currencies", "\n  a.csv: INR", "\n  us.csv: USD"):
        reviews_read(data_root, on_refused_file=on_refused_file)
    assert before.items() <= batch_files(data_root).items()


def test_refuses_a_file_above_the_maximum_size(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A})
    assert reviews_read(data_root, max_file_bytes=len(A)).rows == 2
    with refused("a.csv: ", "max_file_bytes"):
        reviews_read(data_root, max_file_bytes=len(A) - 1)


@pytest.mark.parametrize("exports", [{}, {".hidden.csv": A, "a.csv.part": A}])
def test_an_empty_landing_zone_error_names_the_folder(tmp_path: Path, exports: dict[str, bytes]) -> None:
    data_root = landing_zone(tmp_path, exports)
    with refused(f"{data_root.landing}: no export to read; put one there", *exports):
        reviews_read(data_root)


def test_a_missing_landing_zone_error_names_the_folder(tmp_path: Path) -> None:
    with refused("landing: no export to read"):
        reviews_read(DataRoot(tmp_path))


def test_skips_young_files_when_settling(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"old.csv": A, "young.csv": B})
    now = time.time()
    os.utime(data_root.landing / "old.csv", (now - 3600, now - 3600))
    settling = raw_reviews(data_root, Settings(), now=now, skip_settling=True)
    assert [batch.path for batch in settling.batches] == ["old.csv"]
    assert [file.path for file in settling.skipped] == ["young.csv"]
    assert len(reviews_read(data_root).batches) == 2


def test_compares_sidecars_on_every_run(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "a.csv.rows": b"1\n", "copy.csv": A})
    assert reviews_read(data_root).rows == 2
    landing_zone(tmp_path, {"copy.csv.rows": b"2\n"})
    with refused("copy.csv: copy.csv.rows says '2' but the file has 1"):
        reviews_read(data_root)


def test_a_damaged_record_does_not_refuse_the_file(tmp_path: Path) -> None:
    reviews = reviews_read(landing_zone(tmp_path, {"a.csv": A + b"one,two\n"}))
    assert (reviews.rows, reviews.records, reviews.read_errors) == (3, 2, 1)


@pytest.mark.real_data
def test_the_real_export_gives_the_known_rows(tmp_path: Path) -> None:
    folder = Path(os.environ.get("AMZSEG_REAL_DATA", ""))
    if not (folder / "amazon.csv").is_file():
        pytest.skip("AMZSEG_REAL_DATA names no folder with amazon.csv")
    data_root = landing_zone(tmp_path, {"amazon.csv": (folder / "amazon.csv").read_bytes()})
    reviews = reviews_read(data_root)
    assert (reviews.rows, reviews.records, reviews.read_errors, reviews.currency) == (11_503, 1_465, 0, "INR")
    rows = raw_rows(reviews)
    assert len({row["user_id"] for row in rows}) == len({(row["user_id"], row["user_hash"]) for row in rows}) == 9_050
    assert len({row["review_id"] for row in rows}) == 9_269
    assert [row["item_id"] for row in rows if row["rating"] == "|"] == ["B08L12N5H1"] * 8
    assert sorted({row["item_id"] for row in rows if row["rating_count"] is None}) == ["B0B94JPY2N", "B0BQRJ3C47"]


def batch_files_after_reading(data_root: DataRoot) -> dict[str, bytes]:
    reviews_read(data_root)
    return batch_files(data_root)


def test_files_of_equal_size_are_hashed_together(tmp_path: Path) -> None:
    """Workers would hash them one after another if they were handed out one by one."""
    data_root = landing_zone(tmp_path, {f"{name}.csv": sales_csv([{"product_id": name}]) for name in "ABC"})
    counts = []

    def run(tasks: Sequence[Callable[[Settings], Any]]) -> Iterator[tuple[int, Any]]:
        counts.append(len(tasks))
        return in_process(tasks, settings=Settings())

    raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False, run=run)
    assert counts == [3, 3]


def test_json_lines_are_parsed_within_the_limits_of_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[str] = []
    threads: list[int] = []
    connect = duckdb.connect

    def connected(*, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
        limits.append(config.get("memory_limit", ""))
        return connect(config=config)

    def pool(count: int) -> ThreadPoolExecutor:
        threads.append(count)
        return ThreadPoolExecutor(count)

    monkeypatch.setattr(duckdb, "connect", connected)
    monkeypatch.setattr(json_lines, "ThreadPoolExecutor", pool)
    run = partial(in_process, settings=Settings(threads=3, memory_limit_mib=70))
    data_root = landing_zone(tmp_path, {"a.jsonl": jsonl([review_2023()])})
    raw_reviews(data_root, Settings(), now=time.time(), skip_settling=False, run=run)
    assert (limits, threads) == (["70MiB"], [3])
