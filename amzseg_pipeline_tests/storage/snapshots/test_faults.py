"""Faults of the system, or a kill of the process, at any call while publishing."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots import repoint
from amzseg_pipeline_tests.faults import Killed, faults
from amzseg_pipeline_tests.storage.snapshots.runs import as_unprivileged_user, publish_run, run_of

KEEP_ONE = Settings(keep_snapshots=1, keep_snapshot_hours=0)


def published_runs(root: Path, runs: int) -> Path:
    for run_day in range(1, runs + 1):
        publish_run(root / "published", run_day)
    return root / "published"


def copy_of(published: Path, root: Path) -> Path:
    return Path(shutil.copytree(published, root / "published"))


def assert_no_leftovers(published: Path, *, max_snapshots: int) -> None:
    assert {path.name for path in published.iterdir()} == {"LATEST.json", "snapshots", ".staging", ".lock"}
    assert list((published / ".staging").iterdir()) == []
    assert len(list((published / "snapshots").iterdir())) <= max_snapshots


def test_flushes_everything_to_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    plain_fsync, plain_rename, plain_replace = os.fsync, os.rename, os.replace

    def recorded_fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(f"sync {path.relative_to(tmp_path)}")
        plain_fsync(descriptor)

    def recorded_rename(source: Path, target: Path) -> None:
        steps.append(f"show {Path(target).relative_to(tmp_path)}")
        plain_rename(source, target)

    def recorded_replace(source: Path, target: Path) -> None:
        steps.append(f"show {Path(target).relative_to(tmp_path)}")
        plain_replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "rename", recorded_rename)
    monkeypatch.setattr(os, "replace", recorded_replace)
    snapshot = publish_run(tmp_path / "published", 1)

    name = snapshot.path.name
    shown = steps.index(f"show published/snapshots/{name}")
    drafted = {f"sync published/.staging/{name}/{path.name}" for path in snapshot.path.iterdir()}
    assert set(steps[:shown]) == drafted | {f"sync published/.staging/{name}"}
    assert steps[shown - 1] == f"sync published/.staging/{name}"
    assert steps[shown + 1 : shown + 5] == [
        "sync published/snapshots",
        "sync published/.LATEST.json.tmp",
        "show published/LATEST.json",
        "sync published",
    ]


@pytest.mark.parametrize("is_kill", [False, True], ids=["refused", "killed"])
@pytest.mark.parametrize("runs", [0, 1])
def test_a_fault_at_any_call_leaves_the_old_or_new_snapshot(tmp_path: Path, runs: int, is_kill: bool) -> None:
    (tmp_path / "before/published").mkdir(parents=True)
    before = published_runs(tmp_path / "before", runs)
    with faults(None, is_kill=is_kill) as counted:
        publish_run(copy_of(before, tmp_path / "counted"), runs + 1, settings=KEEP_ONE)
    assert counted.calls > 30
    seen = set()
    for at in range(counted.calls):
        root = tmp_path / str(at)
        published = copy_of(before, root)
        try:
            with faults(at, is_kill=is_kill):
                publish_run(published, runs + 1, settings=KEEP_ONE)
        except (Killed, SnapshotError):
            pass
        seen.add(run_of(read_latest(root)) if has_snapshot(root) else 0)
        assert run_of(publish_run(published, runs + 2, settings=KEEP_ONE)) == runs + 2
        assert run_of(read_latest(root)) == runs + 2
        assert_no_leftovers(published, max_snapshots=1)
    assert seen == {runs, runs + 1}


@pytest.mark.parametrize("is_kill", [False, True], ids=["refused", "killed"])
def test_a_retried_run_publishes_once(tmp_path: Path, is_kill: bool) -> None:
    with faults(None, is_kill=is_kill) as counted:
        publish_run(tmp_path / "counted", 1)
    for at in range(counted.calls):
        published = tmp_path / str(at) / "published"
        try:
            with faults(at, is_kill=is_kill):
                publish_run(published, 1)
        except (Killed, SnapshotError):
            pass
        assert publish_run(published, 1).sequence == 1
        assert run_of(read_latest(published.parent)) == 1
        assert_no_leftovers(published, max_snapshots=1)


def test_a_fault_during_rollback_leaves_one_of_the_two(tmp_path: Path) -> None:
    before = published_runs(tmp_path / "before", 2)
    published = copy_of(before, tmp_path / "counted")
    with faults(None, is_kill=True) as counted:
        repoint(published, 1)
    for at in range(counted.calls):
        published = copy_of(before, tmp_path / str(at))
        with faults(at, is_kill=True), pytest.raises(Killed):
            repoint(published, 1)
        assert run_of(read_latest(published.parent)) in (1, 2)
        assert run_of(repoint(published, 1)) == 1
        assert_no_leftovers(published, max_snapshots=2)


def test_a_full_disk_leaves_the_latest_snapshot(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 1)
    largest_bytes = max(path.stat().st_size for path in publish_run(tmp_path / "other", 2, users=3000).path.iterdir())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for tenths in range(10):
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes * tenths // 10, hard))
        try:
            with pytest.raises(SnapshotError, match="check free space and permissions there"):
                publish_run(published, 2, users=3000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert run_of(read_latest(tmp_path)) == 1
    assert run_of(publish_run(published, 2, users=3000)) == 2
    assert_no_leftovers(published, max_snapshots=2)


def test_a_read_only_folder_is_readable_and_refuses_publishing() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        published = published_runs(root, 1)
        (published / "snapshots").chmod(0o555)
        published.chmod(0o555)
        with as_unprivileged_user():
            with pytest.raises(SnapshotError, match=r"Permission denied.* still names the complete snapshot before"):
                publish_run(published, 2)
            assert run_of(read_latest(root)) == 1
        published.chmod(0o700)
        with as_unprivileged_user() if os.geteuid() == 0 else _unreadable(published):
            for read in (read_latest, has_snapshot):
                with pytest.raises(SnapshotError, match=r"LATEST\.json: it cannot be read \(Permission denied\)"):
                    read(root)
        (published / "snapshots").chmod(0o755)


@contextmanager
def _unreadable(folder: Path) -> Iterator[None]:
    folder.chmod(0)
    try:
        yield
    finally:
        folder.chmod(0o700)


SLOW_RUN = """
import sys, time
from pathlib import Path
from amzseg_pipeline.contracts.publish import PUBLISHED_FILES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots import publish
from amzseg_pipeline_tests.storage.snapshots.runs import provenance_of, segment_assignments, small_tables

def slow_batches():
    yield from segment_assignments(2, users=10).to_batches()
    print("streaming", flush=True)
    time.sleep(60)

publish(
    Path(sys.argv[1]),
    provenance_of(2),
    tables={SEGMENT_ASSIGNMENTS: slow_batches(), **small_tables(2)},
    files=dict.fromkeys(PUBLISHED_FILES, b"{}"),
    settings=Settings(),
)
"""


def test_a_killed_process_leaves_no_lock_and_no_files(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 1)
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, str(published)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "streaming\n"
        assert list((published / ".staging").iterdir()) != []
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert run_of(read_latest(tmp_path)) == 1
    assert publish_run(published, 3).sequence == 2
    assert_no_leftovers(published, max_snapshots=2)
