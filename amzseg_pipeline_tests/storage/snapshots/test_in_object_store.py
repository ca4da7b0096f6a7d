"""Publishing to an object store: readers see a complete snapshot, whatever fails and whichever process publishes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.contracts.errors import NothingPublished, SnapshotError
from amzseg_pipeline.contracts.publish import PUBLISHED_FILES
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.erasure.search import files_containing
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.snapshots import publish, repoint
from amzseg_pipeline.storage.snapshots.layout import snapshot_names
from amzseg_pipeline.storage.snapshots.rewrite import erase_users
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at
from amzseg_pipeline_tests.object_store import Server, Store
from amzseg_pipeline_tests.storage.snapshots.runs import (
    provenance_of,
    publish_run,
    run_of,
    segment_assignments,
    small_tables,
)

KEEP_ONE = Settings(keep_snapshots=1, keep_snapshot_hours=0)


def published_in(store: Store) -> Path:
    return path_at(store.address) / "published"


def files_of(published: Path) -> list[str]:
    """Every object below published/, by its relative path."""
    return [str(path).removeprefix(f"{published}/") for path in files_below(published)]


def test_store_and_folder_have_the_same_bytes(store: Store, tmp_path: Path) -> None:
    assert not has_snapshot(store.address)
    with pytest.raises(NothingPublished, match=r"s3://.*nothing has been published yet"):
        read_latest(store.address)
    stored, local = publish_run(published_in(store), 1), publish_run(tmp_path / "published", 1)
    assert run_of(read_latest(store.address)) == run_of(stored) == 1
    assert stored.manifest == local.manifest
    assert {path.name: path.read_bytes() for path in files_below(stored.path)} == {
        path.name: path.read_bytes() for path in local.path.iterdir()
    }


def test_uploads_the_manifest_after_files_and_the_pointer_last(store: Store) -> None:
    for run_day in (1, 2):
        store.writes.clear()
        snapshot = publish_run(published_in(store), run_day)
        names = [key.rpartition("/")[2] for key in store.writes]
        assert names[-2:] == ["datapackage.json", "LATEST.json"]
        assert sorted(names) == sorted({*names}) and len(names) == len(snapshot.manifest["resources"]) + 2


def test_a_refused_write_keeps_the_old_snapshot_until_the_next_run(store: Store) -> None:
    published = published_in(store)
    run_day = 1
    publish_run(published, run_day, settings=KEEP_ONE)
    pointer = len(store.writes) - 1
    for refused in (3, pointer - 1, pointer):
        with (
            store.refusing(from_write=refused),
            pytest.raises(SnapshotError, match=r"refused by the test.* still names the complete snapshot before"),
        ):
            publish_run(published, run_day + 1, settings=KEEP_ONE)
        assert run_of(read_latest(store.address)) == run_day
        run_day += 2
        assert run_of(publish_run(published, run_day, settings=KEEP_ONE)) == run_day
        assert run_of(read_latest(store.address)) == run_day
        assert len({file.split("/")[1] for file in files_of(published) if "/" in file}) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("act", "writes"),
    [
        pytest.param(lambda published: publish_run(published, 3, settings=KEEP_ONE), 9, id="publishing"),
        pytest.param(lambda published: erase_users(published, lambda _: ["AÉ00000007"]), 17, id="erasing"),
        pytest.param(lambda published: repoint(published, 1), 1, id="going back"),
    ],
)
def test_refused_writes_leave_no_incomplete_snapshot(
    _s3_server: Server, act: Callable[[Path], object], writes: int
) -> None:
    for refused in range(writes):
        store = _s3_server.store()
        published = published_in(store)
        before = [publish_run(published, run_day).manifest for run_day in (1, 2)][-1]
        with store.refusing(from_write=refused), pytest.raises(SnapshotError):
            act(published)
        assert read_latest(store.address).manifest == before
        for name in snapshot_names(published):
            snapshot_at(published, pointer_to(published, name.sequence)).verify()
        store.writes.clear()
        act(published)
        assert store.writes[-1].endswith("LATEST.json")
        read_latest(store.address)


def test_a_retry_after_a_refused_write_publishes_once(store: Store) -> None:
    published = published_in(store)
    publish_run(published, 1)
    pointer = len(store.writes) - 1
    with store.refusing(from_write=pointer), pytest.raises(SnapshotError):
        publish_run(published, 2)
    store.writes.clear()
    assert publish_run(published, 2).sequence == 2
    assert store.writes == ["team/segments/published/LATEST.json"]


def test_a_lost_response_to_the_pointer_write_is_not_a_failure(store: Store) -> None:
    published = published_in(store)
    publish_run(published, 1)
    store.writes.clear()
    store.lose_response_to = "LATEST.json"
    assert publish_run(published, 2).sequence == 2
    assert [key.endswith("LATEST.json") for key in store.writes[-2:]] == [True, True]
    assert run_of(read_latest(store.address)) == 2
    assert [name.sequence for name in snapshot_names(published)] == [1, 2]


@pytest.mark.parametrize("runs", [0, 1])
def test_the_second_of_two_concurrent_publishers_stops(store: Store, runs: int) -> None:
    published = published_in(store)
    for run_day in range(1, runs + 1):
        publish_run(published, run_day)

    def batches_with_concurrent_publisher() -> Any:
        publish_run(published, 8)
        yield from segment_assignments(9, users=20).to_batches()

    with pytest.raises(SnapshotError, match="another process has published at the same time"):
        publish(
            published,
            provenance_of(9),
            tables={SEGMENT_ASSIGNMENTS: batches_with_concurrent_publisher(), **small_tables(9)},
            files=dict.fromkeys(PUBLISHED_FILES, b"{}"),
            settings=Settings(),
        )
    assert run_of(read_latest(store.address)) == 8
    assert [name.sequence for name in snapshot_names(published)] == list(range(1, runs + 2))


def test_deletes_files_without_a_manifest(store: Store) -> None:
    published = published_in(store)
    publish_run(published, 1)
    half = published / "snapshots/000002-20260102T020000Z-00000002/segment_profiles.parquet"
    cast(Any, half).fs.pipe_file(cast(Any, half).path, b"half")
    assert [name.sequence for name in snapshot_names(published)] == [1]
    with pytest.raises(SnapshotError, match="there is no snapshot 2; there are 000001"):
        repoint(published, 2)
    assert publish_run(published, 3).sequence == 2
    assert not half.exists()


def test_deletes_all_files_of_expired_snapshots(store: Store) -> None:
    for run_day in (1, 2, 3):
        publish_run(published_in(store), run_day, settings=KEEP_ONE)
    assert {file.split("/")[1] for file in files_of(published_in(store)) if "/" in file} == {
        "000003-20260103T020000Z-00000003"
    }


def test_rollback_writes_only_the_pointer(store: Store) -> None:
    published = published_in(store)
    for run_day in (1, 2):
        publish_run(published, run_day)
    store.writes.clear()
    assert run_of(repoint(published, 1)) == run_of(read_latest(store.address)) == 1
    assert run_of(repoint(published, 2)) == run_of(read_latest(store.address)) == 2
    assert store.writes == ["team/segments/published/LATEST.json"] * 2


@pytest.mark.parametrize("name", ["segment_assignments.parquet", "model.json", "datapackage.json"])
def test_detects_a_damaged_object_by_its_hash(store: Store, name: str) -> None:
    path = cast(Any, publish_run(published_in(store), 1).path / name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.fs.pipe_file(path.path, bytes(content))
    with pytest.raises(SnapshotError, match=rf"{name}: .*sha256"):
        read_latest(store.address)


def test_names_a_missing_object(store: Store) -> None:
    path = cast(Any, publish_run(published_in(store), 1).path / "segment_profiles.parquet")
    path.fs.rm(path.path)
    with pytest.raises(SnapshotError, match=r"segment_profiles\.parquet: this file of the snapshot is missing"):
        read_latest(store.address)


def test_erases_a_user_from_every_snapshot_in_a_store(store: Store) -> None:
    published = published_in(store)
    for run_day in (1, 2, 3):
        publish_run(published, run_day)
    user = "AÉ00000007"
    erased = erase_users(published, lambda _: [user])
    assert [(each.sequence, each.revision, each.users) for each in erased] == [(1, 1, 1), (2, 1, 1), (3, 1, 1)]
    assert [name.sequence for name in snapshot_names(published)] == [1, 2, 3]
    for sequence in (1, 2, 3):
        snapshot = repoint(published, sequence)
        assert user not in set(snapshot.segment_assignments()["user_id"])
    assert erase_users(published, lambda _: [user]) == ()


@pytest.mark.parametrize(
    ("refused", "revisions"),
    [
        pytest.param(0, [0, 0], id="older: first file", marks=pytest.mark.slow),
        pytest.param(7, [0, 0], id="older: manifest"),
        pytest.param(8, [1, 0], id="latest: first file", marks=pytest.mark.slow),
        pytest.param(16, [1, 1], id="latest: pointer"),
    ],
)
def test_a_refused_erasure_can_be_repeated(store: Store, refused: int, revisions: list[int]) -> None:
    published, user = published_in(store), "AÉ00000007"
    for run_day in (1, 2):
        publish_run(published, run_day)
    with (
        store.refusing(from_write=refused),
        pytest.raises(SnapshotError, match="refused by the test"),
    ):
        erase_users(published, lambda _: [user])
    assert run_of(read_latest(store.address)) == 2
    assert [name.revision for name in snapshot_names(published)] == revisions
    erase_users(published, lambda _: [user])
    assert [name.revision for name in snapshot_names(published)] == [1, 1]
    assert files_containing([user], published) == []
    assert run_of(read_latest(store.address)) == 2
