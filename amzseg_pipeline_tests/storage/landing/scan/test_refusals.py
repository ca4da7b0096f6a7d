"""Refused files are cached, so that the schedule ignores them until they change."""

import os
import time
from pathlib import Path

import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import known_contents, landing_listing
from amzseg_pipeline.storage.landing.scan.listing import LandingFile
from amzseg_pipeline.storage.landing.scan.refusals import save_refused_files, saved_refused_files
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone, reviews_read, sales_csv

A = sales_csv([{"product_id": "A"}])
FILE = LandingFile("2024/₹.csv", 3, 1_800_000_000_123_456_789, 1_800_000_001_000_000_000)


def compared_paths(data_root: DataRoot, *, without_refused: bool = True) -> list[str]:
    """The paths that the schedule compares."""
    listing = landing_listing(data_root.landing, now=time.time(), settle_seconds=None)
    return sorted(known_contents(data_root, listing, without_refused=without_refused))


def test_the_cache_round_trips(tmp_path: Path) -> None:
    save_refused_files(DataRoot(tmp_path), [FILE])
    assert saved_refused_files(DataRoot(tmp_path)) == {FILE}
    save_refused_files(DataRoot(tmp_path), [])
    assert saved_refused_files(DataRoot(tmp_path)) == set()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"format": 1, "files": []}',
        b'{"format": 2}',
        b'{"format": 2, "files": 3}',
        b'{"format": 2, "files": [["a.csv"]]}',
        b'{"format": 2, "files": [[1, 2, 3, 4, 5, 6]]}',
        b"[" * 100_000,
    ],
)
def test_ignores_a_damaged_cache(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse/refused.json").write_bytes(content)
    assert saved_refused_files(DataRoot(tmp_path)) == set()


@pytest.mark.parametrize("content", [b"", b"x\n", A[:-20]], ids=["empty", "another header", "half a file"])
def test_a_refused_file_is_ignored_until_it_changes(tmp_path: Path, content: bytes) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "bad.csv": content})
    assert compared_paths(data_root) == ["a.csv", "bad.csv"]
    reviews_read(data_root, on_refused_file="skip")
    assert compared_paths(data_root) == ["a.csv"]
    assert compared_paths(data_root, without_refused=False) == ["a.csv", "bad.csv"]
    os.utime(data_root.landing / "bad.csv", (1, 1))
    assert compared_paths(data_root) == ["a.csv", "bad.csv"]


def test_a_file_with_a_differing_sidecar_is_checked_again(tmp_path: Path) -> None:
    data_root = landing_zone(tmp_path, {"a.csv": A, "late.csv": sales_csv(), "late.csv.rows": b"7"})
    assert [file.path for file in reviews_read(data_root, on_refused_file="skip").refused] == ["late.csv"]
    assert compared_paths(data_root) == ["a.csv", "late.csv"]
