"""A batch file has the rows of one batch, is written once and found again by the sha256 of its export."""

import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.landing.ingest.batch_files import (
    cached_batch_file,
    delete_other_batch_files,
    new_batch_file,
)
from amzseg_pipeline.storage.landing.scan.listing import landing_file
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone, sales_csv


def test_finds_a_cached_batch_file_with_its_metadata(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}, {"user_id": "A"}])}).landing
    sha256 = sha256_of(landing / "a.csv")
    assert cached_batch_file(tmp_path, sha256) is None
    part = new_batch_file(
        tmp_path, sha256, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings(), now=time.time()
    )
    assert cached_batch_file(tmp_path, sha256) == part
    assert part.path.name == f"{sha256[:16]}-sales5.parquet"
    assert (part.rows, part.records, part.read_errors, part.currency) == (3, 2, 1, "INR")


def test_the_same_bytes_give_the_same_batch_file(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}] * 50)}).landing
    first, second = (
        new_batch_file(
            tmp_path / name, "0" * 64, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings(), now=0
        ).path.read_bytes()
        for name in ("first", "second")
    )
    assert first == second


def test_a_file_that_changes_while_read_leaves_no_batch_file(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}])}).landing
    listed = landing_file(landing, "a.csv")
    landing_zone(tmp_path, {"a.csv": sales_csv([{}, {}])})
    with pytest.raises(RefusedInput, match="changed while it was being read"):
        new_batch_file(tmp_path / "parts", "0" * 64, landing=landing, file=listed, settings=Settings(), now=time.time())
    assert not list((tmp_path / "parts").iterdir())


def test_writes_a_large_batch_in_row_groups(tmp_path: Path) -> None:
    users, reviews = (",".join(f"{letter}{number}" for number in range(30_000)) for letter in "UR")
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{"user_id": users, "review_id": reviews}] * 5)}).landing
    part = new_batch_file(
        tmp_path, "0" * 64, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings(), now=time.time()
    )
    assert (part.rows, part.records) == (150_000, 5)
    assert pq.read_metadata(part.path).num_row_groups == 3
    assert pq.read_table(part.path)["user_id"].to_pylist() == users.split(",") * 5


def test_deletes_other_batch_files_and_leftovers(tmp_path: Path) -> None:
    kept = "0123456789abcdef"
    for name in (
        f"{kept}-reader.parquet",
        f"{kept}-reader.parquet.json",
        "other.parquet",
        ".other.parquet.tmp",
        "note.txt",
    ):
        (tmp_path / name).touch()
    delete_other_batch_files(tmp_path, [(kept * 4, "reader")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{kept}-reader.parquet",
        f"{kept}-reader.parquet.json",
        "note.txt",
    ]
