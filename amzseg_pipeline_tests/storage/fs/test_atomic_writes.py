"""Files appear whole or not at all, and what the system refuses is said in words."""

import errno
import os
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, sha256_of
from amzseg_pipeline_tests.storage.snapshots.runs import as_unprivileged_user


def test_a_file_appears_with_its_folder_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_an_error_in_the_block_is_passed_on_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="mine"), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise ValueError("mine")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EFBIG, "[Errno 27] Error writing bytes to file."), "File too large"),
        (OSError("the library's own words"), "the library's own words"),
    ],
)
def test_what_the_system_refuses_names_file_reason_and_fix(tmp_path: Path, error: OSError, reason: str) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(WriteError) as raised, atomic_write(path):
        raise error
    assert str(raised.value).startswith(f"{path}: it cannot be written ({reason}); see to the space")


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "closed").chmod(0o555)
    if os.geteuid() == 0:
        os.chown(tmp_path / "closed", 0, 0)
    refusal = pytest.raises(WriteError, match=r"file\.txt: it cannot be written \(Permission denied\)")
    with as_unprivileged_user(), refusal, atomic_write(tmp_path / "closed/file.txt") as temporary:
        temporary.write_text("never")


def test_the_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c14")
