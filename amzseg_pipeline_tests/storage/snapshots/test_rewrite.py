"""Users erased from kept snapshots: only rows are removed, and readers always see complete snapshots."""

import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots import repoint
from amzseg_pipeline.storage.snapshots.layout import pointer_of, snapshot_names, superseded_names
from amzseg_pipeline.storage.snapshots.rewrite import ErasedSnapshot, erase_users
from amzseg_pipeline.storage.snapshots.snapshot import Snapshot, pointer_to, snapshot_at
from amzseg_pipeline_tests.faults import Killed, faults
from amzseg_pipeline_tests.storage.snapshots.runs import publish_run, run_of

USER, OTHER, STRANGER = "AÉ00000003", "AÉ00000004", "AÉ99999999"


def published_runs(root: Path, runs: int) -> Path:
    for run_day in range(1, runs + 1):
        publish_run(root / "published", run_day)
    return root / "published"


def snapshot_number(published: Path, sequence: int) -> Snapshot:
    return snapshot_at(published, pointer_to(published, sequence))


def sequences(published: Path) -> list[int]:
    return [name.sequence for name in snapshot_names(published)]


def test_erasure_removes_only_the_rows_of_the_user(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 3)
    before = {sequence: snapshot_number(published, sequence) for sequence in (1, 2, 3)}
    tables = {sequence: snapshot.segment_assignments() for sequence, snapshot in before.items()}
    files = {
        sequence: {p.name: p.read_bytes() for p in snapshot.path.iterdir()} for sequence, snapshot in before.items()
    }

    erased = erase_users(published, lambda _: [USER, OTHER])

    assert erased == tuple(ErasedSnapshot(sequence, 1, 2) for sequence in (1, 2, 3))
    assert sequences(published) == [1, 2, 3]
    assert superseded_names(published) == []
    assert read_latest(tmp_path).sequence == 3
    for sequence in (1, 2, 3):
        snapshot = snapshot_number(published, sequence)
        snapshot.verify()
        assert snapshot.path != before[sequence].path and not before[sequence].path.exists()
        assert run_of(snapshot) == sequence
        assert snapshot.manifest["erased_users"] == 2
        kept = tables[sequence][~tables[sequence]["user_id"].isin([USER, OTHER])].reset_index(drop=True)
        assert snapshot.segment_assignments().equals(kept)
        same = {path.name: path.read_bytes() for path in snapshot.path.iterdir()}
        changed = {name for name in same if same[name] != files[sequence][name]}
        assert changed == {"segment_assignments.parquet", "datapackage.json"}
        revised = dict.fromkeys(("revision", "resources", "erased_users"))
        assert {**snapshot.manifest, **revised} == {**before[sequence].manifest, **revised}


def test_erasure_keeps_types_order_and_contract(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 1)
    before = pq.read_table(read_latest(tmp_path).table_path("segment_assignments"))
    erase_users(published, lambda _: [USER])
    path = read_latest(tmp_path).table_path("segment_assignments")
    assert pq.read_schema(path).equals(before.schema, check_metadata=True)
    assert pq.read_metadata(path).row_group(0).sorting_columns == (pq.SortingColumn(0),)
    ids = pq.read_table(path)["user_id"].to_pylist()
    assert ids == sorted(ids)


def test_an_unknown_user_changes_nothing(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    before = {path: path.read_bytes() for path in published.rglob("*") if path.is_file()}
    assert erase_users(published, lambda _: [STRANGER]) == ()
    assert erase_users(published, lambda _: []) == ()
    assert {path: path.read_bytes() for path in published.rglob("*") if path.is_file()} == before


def test_ids_may_differ_between_snapshots(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    erase_users(published, lambda snapshot: [USER] if snapshot.sequence == 1 else [OTHER])
    gone = [USER not in set(snapshot_number(published, n).segment_assignments()["user_id"]) for n in (1, 2)]
    assert gone == [True, False]


def test_publishing_continues_after_an_erasure(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    erase_users(published, lambda _: [USER])
    assert publish_run(published, 3).sequence == 3
    assert run_of(repoint(published, 1)) == 1


def test_refuses_to_revise_a_damaged_snapshot(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    path = snapshot_number(published, 1).path / "model.json"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SnapshotError, match=r"model\.json: its bytes differ from those that were published"):
        erase_users(published, lambda _: [USER])


def test_erasure_after_a_rollback_keeps_the_rollback(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    repoint(published, 1)
    erase_users(published, lambda _: [USER])
    erase_users(published, lambda _: [OTHER])
    pointer = pointer_of(published)
    assert (pointer.name.sequence, pointer.name.revision, pointer.rolled_back_from) == (1, 2, 2)
    assert read_latest(tmp_path).manifest["erased_users"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("is_kill", [False, True], ids=["refused", "killed"])
def test_a_fault_at_any_call_leaves_complete_snapshots(tmp_path: Path, is_kill: bool) -> None:
    before = published_runs(tmp_path / "before", 2)
    with faults(None, is_kill=is_kill) as counted:
        erase_users(Path(shutil.copytree(before, tmp_path / "counted/published")), lambda _: [USER])
    assert counted.calls > 30
    for at in range(counted.calls):
        published = Path(shutil.copytree(before, tmp_path / str(at) / "published"))
        try:
            with faults(at, is_kill=is_kill):
                erase_users(published, lambda _: [USER])
        except (Killed, SnapshotError):
            pass
        assert run_of(read_latest(published.parent)) == 2
        erase_users(published, lambda _: [USER])
        latest = read_latest(published.parent)
        assert run_of(latest) == 2
        for sequence in sequences(published):
            snapshot = snapshot_number(published, sequence)
            snapshot.verify()
            assert USER not in set(snapshot.segment_assignments()["user_id"])
        assert run_of(snapshot_number(published, 1)) == 1
        assert {path.name for path in published.iterdir()} == {"LATEST.json", "snapshots", ".staging", ".lock"}
        assert list((published / ".staging").iterdir()) == []
        assert superseded_names(published) == []
        assert publish_run(published, 3, settings=Settings()).sequence > latest.sequence
        shutil.rmtree(published.parent)


def test_readers_see_complete_snapshots_during_erasure(tmp_path: Path) -> None:
    published = published_runs(tmp_path, 2)
    done = threading.Event()
    seen: set[int] = set()
    errors: list[Exception] = []

    def read() -> None:
        while not done.is_set():
            try:
                seen.add(len(read_latest(tmp_path).segment_assignments()))
            except SnapshotError as error:  # a snapshot removed while it is read: the next attempt succeeds
                if "is missing" not in str(error):
                    errors.append(error)
            except Exception as error:
                errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(12):
        erase_users(published, lambda _, number=number: [f"AÉ{number:08d}"])
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert seen <= set(range(8, 21))
    assert pointer_of(published).name.revision == 12
    assert len(read_latest(tmp_path).segment_assignments()) == 8
