"""Files are written atomically, and write errors have a clear message."""

import errno
import os
from pathlib import Path

import pytest

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, sha256_of
from amzseg_pipeline_tests.storage.snapshots.runs import as_unprivileged_user


def test_writes_the_file_and_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("complete")
        assert not path.exists()
    assert path.read_text() == "complete"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


def test_an_error_in_the_block_keeps_the_old_file(tmp_path: Path) -> None:
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
        (OSError("the library's own message"), "the library's own message"),
    ],
)
def test_write_errors_name_file_reason_and_fix(tmp_path: Path, error: OSError, reason: str) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(WriteError) as raised, atomic_write(path):
        raise error
    assert str(raised.value).startswith(f"{path}: it cannot be written ({reason}); check disk space")


def test_names_a_folder_without_write_permission(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "closed").chmod(0o555)
    if os.geteuid() == 0:
        os.chown(tmp_path / "closed", 0, 0)
    refusal = pytest.raises(WriteError, match=r"file\.txt: it cannot be written \(Permission denied\)")
    with as_unprivileged_user(), refusal, atomic_write(tmp_path / "closed/file.txt") as temporary:
        temporary.write_text("never")


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c14")
