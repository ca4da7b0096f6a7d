"""A part holds the rows of one batch, is written once and is known again by its bytes."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.fs.atomic_writes import sha256_of
from amzseg_pipeline.storage.landing.ingest.parts import delete_other_parts, kept_part, new_part
from amzseg_pipeline.storage.landing.scan.listing import landing_file
from amzseg_pipeline_tests.storage.landing.exports import landing_zone, sales_csv


def test_a_written_part_is_known_again_with_all_its_facts(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}, {"user_id": "A"}])}).landing
    sha256 = sha256_of(landing / "a.csv")
    assert kept_part(tmp_path, sha256) is None
    part = new_part(tmp_path, sha256, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings())
    assert kept_part(tmp_path, sha256) == part
    assert part.path.name == f"{sha256[:16]}-sales1.parquet"
    assert (part.rows, part.records, part.read_errors, part.currency) == (3, 2, 1, "INR")


def test_the_same_bytes_give_the_same_part(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}] * 50)}).landing
    first, second = (
        new_part(
            tmp_path / name, "0" * 64, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings()
        ).path.read_bytes()
        for name in ("first", "second")
    )
    assert first == second


def test_a_file_that_changes_while_it_is_read_leaves_no_part(tmp_path: Path) -> None:
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{}])}).landing
    listed = landing_file(landing, "a.csv")
    landing_zone(tmp_path, {"a.csv": sales_csv([{}, {}])})
    with pytest.raises(RefusedInput, match="changed while it was being read"):
        new_part(tmp_path / "parts", "0" * 64, landing=landing, file=listed, settings=Settings())
    assert not list((tmp_path / "parts").iterdir())


def test_a_large_batch_is_written_in_several_row_groups(tmp_path: Path) -> None:
    users, reviews = (",".join(f"{letter}{number}" for number in range(30_000)) for letter in "UR")
    landing = landing_zone(tmp_path, {"a.csv": sales_csv([{"user_id": users, "review_id": reviews}] * 5)}).landing
    part = new_part(tmp_path, "0" * 64, landing=landing, file=landing_file(landing, "a.csv"), settings=Settings())
    assert (part.rows, part.records) == (150_000, 5)
    assert pq.read_metadata(part.path).num_row_groups == 3
    assert pq.read_table(part.path)["user_id"].to_pylist() == users.split(",") * 5


def test_other_parts_and_what_killed_writes_left_are_deleted(tmp_path: Path) -> None:
    for name in ("kept.parquet", "other.parquet", ".other.parquet.tmp", "note.txt"):
        (tmp_path / name).touch()
    delete_other_parts(tmp_path, [tmp_path / "kept.parquet"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.parquet", "note.txt"]
