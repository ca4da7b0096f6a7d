"""What was refused for its bytes is remembered, so that a schedule can leave it alone until it changes."""

import os
import time
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import known_contents, landing_listing
from amzseg_pipeline.storage.landing.scan.listing import LandingFile
from amzseg_pipeline.storage.landing.scan.refusals import remember_refusals, remembered_refusals
from amzseg_pipeline_tests.storage.landing.exports import landing_zone, reviews_read, sales_csv

A = sales_csv([{"product_id": "A"}])
FILE = LandingFile("2024/₹.csv", 3, 1_800_000_000_123_456_789, 1_800_000_001_000_000_000)


def looked_at(data_root: DataRoot, *, without_refused: bool = True) -> list[str]:
    """The paths that a schedule compares."""
    listing = landing_listing(data_root.landing, now=time.time(), settle_seconds=None)
    return sorted(known_contents(data_root, listing, without_refused=without_refused))


def test_what_is_remembered_comes_back(tmp_path: Path) -> None:
    remember_refusals(DataRoot(tmp_path), [FILE])
    assert remembered_refusals(DataRoot(tmp_path)) == {FILE}
    remember_refusals(DataRoot(tmp_path), [])
    assert remembered_refusals(DataRoot(tmp_path)) == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"format": 2, "files": []}',
        b'{"format": 1}',
        b'{"format": 1, "files": 3}',
        b'{"format": 1, "files": [["a.csv"]]}',
        b'{"format": 1, "files": [[1, 2, 3, 4, 5]]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_memory_is_forgotten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse/refused.json").write_bytes(content)
    assert remembered_refusals(DataRoot(tmp_path)) == set()


@pytest.mark.parametrize("content", [b"", b"x\n", A[:-20]], ids=["empty", "another header", "half a file"])
def test_a_refused_file_is_left_out_until_it_changes(tmp_path: Path, content: bytes) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "bad.csv": content})
    assert looked_at(data_root) == ["a.csv", "bad.csv"]
    reviews_read(data_root, on_refused_file="skip")
    assert looked_at(data_root) == ["a.csv"]
    assert looked_at(data_root, without_refused=False) == ["a.csv", "bad.csv"]
    os.utime(data_root.landing / "bad.csv", (1, 1))
    assert looked_at(data_root) == ["a.csv", "bad.csv"]


def test_a_file_whose_sidecar_does_not_agree_is_looked_at_again(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "late.csv": sales_csv(), "late.csv.rows": b"7"})
    assert [file.path for file in reviews_read(data_root, on_refused_file="skip").refused] == ["late.csv"]
    assert looked_at(data_root) == ["a.csv", "late.csv"]
