"""Files are identified by their bytes, and hashed bytes are not read again."""

import hashlib
import json
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import RefusedInput
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing.scan.identity import known_sha256, save_known_sha256, saved_sha256, sha256_now
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, landing_file

SHA256 = hashlib.sha256(b"old").hexdigest()
FILE = LandingFile("2024/₹.csv", 3, 1_800_000_000_123_456_789, 1_800_000_001_000_000_000)


def test_the_cache_round_trips_to_the_nanosecond(tmp_path: Path) -> None:
    save_known_sha256(DataRoot(tmp_path), {FILE: SHA256})
    assert saved_sha256(DataRoot(tmp_path)) == {FILE: SHA256}


def test_an_unchanged_cache_is_not_written(tmp_path: Path) -> None:
    save_known_sha256(DataRoot(tmp_path), {FILE: SHA256})
    before = (tmp_path / "warehouse/landing.json").stat()
    save_known_sha256(DataRoot(tmp_path), {FILE: SHA256})
    assert (tmp_path / "warehouse/landing.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("field", "value"), [("path", "b.csv"), ("size_bytes", 4), ("modified_ns", 1), ("changed_ns", 1), ("etag", "x")]
)
def test_a_file_that_differs_in_any_field_is_unknown(field: str, value: object) -> None:
    other = LandingFile(**{**FILE.__dict__, field: value})
    assert known_sha256([FILE, other], {FILE: SHA256})[other.path] is None
    assert known_sha256([FILE], {FILE: SHA256}) == {FILE.path: SHA256}


def test_an_object_is_known_by_its_etag_whenever_it_was_uploaded(tmp_path: Path) -> None:
    first, again, other = (LandingFile("a.csv", 3, day, etag=etag) for day, etag in ((1, "x"), (2, "x"), (1, "y")))
    save_known_sha256(DataRoot(tmp_path), {first: SHA256})
    assert known_sha256([again], saved_sha256(DataRoot(tmp_path))) == {"a.csv": SHA256}
    assert known_sha256([other], saved_sha256(DataRoot(tmp_path))) == {"a.csv": None}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b'{"format": 1, "files": []}',
        b'{"format": 2}',
        b'{"format": 2, "files": 3}',
        b'{"format": 2, "files": [["a.csv", "3", 1, 1, "", "' + SHA256.encode() + b'"]]}',
        b'{"format": 2, "files": [["a.csv", 3, 1, 1, "", "../../x"]]}',
        b'{"format": 2, "files": [["a.csv", 3]]}',
        b"[" * 100_000,
    ],
)
def test_ignores_a_damaged_cache(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse/landing.json").write_bytes(content)
    assert saved_sha256(DataRoot(tmp_path)) == {}
    save_known_sha256(DataRoot(tmp_path), {FILE: SHA256})
    assert json.loads((tmp_path / "warehouse/landing.json").read_bytes())["format"] == 2


def test_a_missing_cache_is_empty(tmp_path: Path) -> None:
    assert saved_sha256(DataRoot(tmp_path)) == {}


def test_hashes_the_bytes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"old")
    assert sha256_now(tmp_path, landing_file(tmp_path, "a.csv")) == SHA256


def test_refuses_a_file_changed_since_it_was_listed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"old")
    listed = landing_file(tmp_path, "a.csv")
    (tmp_path / "a.csv").write_bytes(b"newer")
    with pytest.raises(RefusedInput, match="changed while it was being read"):
        sha256_now(tmp_path, listed)


def test_refuses_a_file_deleted_since_it_was_listed(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="deleted while"):
        sha256_now(tmp_path, FILE)
