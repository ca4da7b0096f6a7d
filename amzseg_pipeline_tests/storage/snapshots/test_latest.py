"""Readers see the latest complete snapshot, and detect every damage.

Over 250 lines: damage to every file that a reader opens.
"""

import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.publish import CONTRACT_VERSION
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots import Snapshot, latest_manifest
from amzseg_pipeline_tests.storage.snapshots.runs import publish_run, run_of


def test_read_latest_imports_no_heavy_libraries() -> None:
    script = "import sys; from amzseg_pipeline import read_latest; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "pyarrow" in loaded
    assert not {"dagster", "streamlit", "sklearn", "scipy", "matplotlib", "joblib"} & set(loaded)


def test_a_snapshot_has_its_provenance(tmp_path: Path) -> None:
    publish_run(tmp_path / "published", 1)
    snapshot = read_latest(tmp_path)
    assert (snapshot.sequence, snapshot.run_id) == (1, "00000001-run")
    assert snapshot.created == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert (snapshot.contract_version, snapshot.model_version, snapshot.currency) == (CONTRACT_VERSION, "m1", "INR")
    assert snapshot.inputs == [{"path": "amazon.csv", "batch": "0123456789abcdef", "rows": 20}]
    assert snapshot.model_document() == {"format": 1}
    assert run_of(snapshot) == 1


def test_data_root_is_an_argument_or_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_run(tmp_path / "data/published", 1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AMZSEG_DATA", raising=False)
    snapshots = [read_latest(), read_latest("data"), read_latest(tmp_path / "data")]
    monkeypatch.chdir("/")
    monkeypatch.setenv("AMZSEG_DATA", str(tmp_path / "data"))
    snapshots.append(read_latest())
    assert snapshots == [snapshots[0]] * 4


def test_without_a_snapshot_the_error_says_to_run_the_pipeline(tmp_path: Path) -> None:
    assert not has_snapshot(tmp_path)
    assert latest_manifest(tmp_path / "published") is None
    with pytest.raises(SnapshotError, match="nothing has been published yet; run the pipeline"):
        read_latest(tmp_path)
    publish_run(tmp_path / "published", 1)
    assert has_snapshot(tmp_path)
    (tmp_path / "published/LATEST.json").unlink()
    with pytest.raises(SnapshotError, match=r"LATEST\.json: there is no such file, though snapshots/ has 000001-"):
        read_latest(tmp_path)


def test_an_unknown_table_lists_the_known_ones(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    with pytest.raises(SnapshotError, match=r"no segment_prices\.parquet .* it has segment_assignments\.parquet, "):
        snapshot.table("segment_prices")


FILES = (
    "datapackage.json",
    "segment_assignments.parquet",
    "segment_profiles.parquet",
    "segment_migrations.parquet",
    "segment_history.parquet",
    "run.json",
    "model.json",
    "model.joblib",
)


@pytest.mark.parametrize("name", FILES)
def test_detects_a_flipped_byte_in_any_file(tmp_path: Path, name: str) -> None:
    path = publish_run(tmp_path / "published", 1).path / name
    intact = path.read_bytes()
    positions = random.Random(7).sample(range(len(intact)), min(60, len(intact)))
    for position in (0, len(intact) - 1, *positions):
        damaged = bytearray(intact)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError, match=re.escape(str(path))) as caught:
            read_latest(tmp_path)
        assert "amzseg_pipeline rollback" in str(caught.value)
    path.write_bytes(intact)
    assert run_of(read_latest(tmp_path)) == 1


def test_detects_a_flipped_bit_anywhere_in_the_pointer(tmp_path: Path) -> None:
    publish_run(tmp_path / "published", 1)
    pointer = tmp_path / "published/LATEST.json"
    intact = pointer.read_bytes()
    for bit in range(8 * len(intact)):
        damaged = bytearray(intact)
        damaged[bit // 8] ^= 1 << bit % 8
        pointer.write_bytes(damaged)
        with pytest.raises(SnapshotError, match=r"LATEST\.json|datapackage\.json"):
            read_latest(tmp_path)
        with pytest.raises(SnapshotError):
            latest_manifest(tmp_path / "published")


def test_detects_a_truncated_pointer(tmp_path: Path) -> None:
    publish_run(tmp_path / "published", 1)
    pointer = tmp_path / "published/LATEST.json"
    intact = pointer.read_bytes()
    for length in range(len(intact) - 1):
        pointer.write_bytes(intact[:length])
        with pytest.raises(SnapshotError, match=r"LATEST\.json: this is not a pointer"):
            read_latest(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_detects_missing_and_truncated_files(tmp_path: Path, name: str) -> None:
    path = publish_run(tmp_path / "published", 1).path / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotError, match=re.escape(str(path))):
        read_latest(tmp_path)
    path.unlink()
    with pytest.raises(SnapshotError, match=f"{re.escape(str(path))}: this file of the snapshot is missing"):
        read_latest(tmp_path)
    path.mkdir()
    with pytest.raises(SnapshotError, match=re.escape(str(path))):
        read_latest(tmp_path)


def test_damage_after_opening_raises_snapshot_error(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    for name, read in (
        ("segment_profiles.parquet", snapshot.segment_profiles),
        ("run.json", snapshot.run),
    ):
        path = snapshot.path / name
        path.write_bytes(b"PAR1 not any more")
        with pytest.raises(SnapshotError, match=re.escape(str(path))):
            read()
        path.unlink()
        with pytest.raises(SnapshotError, match="is missing"):
            read()


def test_verify_false_reads_no_data_files(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    snapshot.table_path("segment_assignments").write_bytes(b"")
    assert read_latest(tmp_path, verify=False) == snapshot
    assert latest_manifest(tmp_path / "published") == snapshot.manifest


def _rewritten_pointer(published: Path, **changes: object) -> None:
    path = published / "LATEST.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def _rewritten_manifest(snapshot: Snapshot, change: Callable[[dict[str, Any]], object]) -> None:
    path = snapshot.path / "datapackage.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    _rewritten_pointer(snapshot.path.parent.parent, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    "manifest",
    [
        "../outside/datapackage.json",
        "/etc/datapackage.json",
        "snapshots/../../outside/datapackage.json",
        "snapshots/000001-20260101T020000Z-00000001/../datapackage.json",
        "snapshots/000001-20260101T020000Z-00000001/other.json",
        "snapshots//datapackage.json",
        "s3://bucket/datapackage.json",
        "snapshots/s3://bucket/datapackage.json",
        "snapshots\\000001-20260101T020000Z-00000001\\datapackage.json",
        "",
    ],
)
def test_rejects_pointers_outside_published(tmp_path: Path, manifest: str) -> None:
    publish_run(tmp_path / "published", 1)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/datapackage.json").write_text("{}")
    _rewritten_pointer(tmp_path / "published", manifest=manifest)
    with pytest.raises(SnapshotError, match="no other path is followed"):
        read_latest(tmp_path)


@pytest.mark.parametrize("rest", ["/../../outside", "/..", "\\..", "\0", "://bucket", " "])
def test_rejects_run_ids_that_are_paths(tmp_path: Path, rest: str) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    run_id = f"{snapshot.run_id[:8]}{rest}"
    _rewritten_manifest(snapshot, lambda document: document.update(run_id=run_id))
    _rewritten_pointer(tmp_path / "published", run_id=run_id)
    with pytest.raises(SnapshotError, match="this is not a pointer to a snapshot"):
        read_latest(tmp_path)


@pytest.mark.parametrize("path", ["../LATEST.json", "/etc/passwd", "a/b", "s3://bucket/key", "..", ".lock", ""])
def test_rejects_manifest_paths_outside_the_snapshot(tmp_path: Path, path: str) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    _rewritten_manifest(snapshot, lambda document: document["resources"][0].update(path=path))
    with pytest.raises(SnapshotError, match="no other path is followed"):
        read_latest(tmp_path)


@pytest.mark.parametrize(
    "linked",
    ["LATEST.json", "snapshots", "{snapshot}", "{snapshot}/datapackage.json", "{snapshot}/segment_profiles.parquet"],
)
def test_rejects_links(tmp_path: Path, linked: str) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    path = tmp_path / "published" / linked.format(snapshot=f"snapshots/{snapshot.path.name}")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SnapshotError, match=f"{re.escape(str(path))}: this is a link"):
        read_latest(tmp_path)


def test_accepts_a_link_as_data_root(tmp_path: Path) -> None:
    publish_run(tmp_path / "disk/published", 1)
    (tmp_path / "data").symlink_to("disk")
    assert run_of(read_latest(tmp_path / "data")) == 1


def test_accepts_minor_versions_and_rejects_major_ones(tmp_path: Path) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    _rewritten_manifest(snapshot, lambda document: document.update(contract_version="1.7", added="since"))
    assert read_latest(tmp_path).contract_version == "1.7"
    for change, message in (
        ({"contract_version": "2.0"}, rf"contract 2\.0 has other tables than {re.escape(CONTRACT_VERSION)}"),
        ({"contract_version": "0.9"}, r"contract 0\.9 has other tables than"),
        ({"format": 2}, r"datapackage\.json: format 2 .* install the amzseg_pipeline that wrote it"),
    ):
        _rewritten_manifest(snapshot, lambda document, change=change: document.update(change))
        with pytest.raises(SnapshotError, match=message):
            read_latest(tmp_path)
    _rewritten_pointer(tmp_path / "published", format=2)
    with pytest.raises(SnapshotError, match=r"LATEST\.json: format 2 .* install the amzseg_pipeline that wrote it"):
        read_latest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 2},
        {"revision": 1},
        {"user_key_id": 1},
        {"run_id": "00000001-other"},
        {"created": "2026-01-01T02:00:01Z"},
        {"created": "yesterday"},
        {"created": "2026-01-01T02:00:00"},
        {"inputs": None},
        {"contract_version": "one"},
        {"resources": [None]},
        {"resources": [{"path": "run.json"}]},
        {"format": "1"},
    ],
)
def test_rejects_the_manifest_of_another_snapshot(tmp_path: Path, change: dict[str, object]) -> None:
    snapshot = publish_run(tmp_path / "published", 1)
    _rewritten_manifest(snapshot, lambda document: document.update(change))
    with pytest.raises(SnapshotError, match=r"datapackage\.json: this is not the manifest of snapshot 000001-"):
        read_latest(tmp_path)


def test_a_reader_of_a_removed_snapshot_gets_the_newer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = tmp_path / "published"
    old = publish_run(published, 1)
    plain_open = io.open

    def open_while_the_next_run_publishes(file: Any, *arguments: Any, **options: Any) -> Any:
        if os.fspath(file) == str(old.path / "segment_profiles.parquet"):
            monkeypatch.setattr(io, "open", plain_open)
            publish_run(published, 2, settings=Settings(keep_snapshots=1, keep_snapshot_hours=0))
        return plain_open(file, *arguments, **options)

    monkeypatch.setattr(io, "open", open_while_the_next_run_publishes)
    assert run_of(read_latest(tmp_path)) == 2
    assert not old.path.exists()


def test_readers_see_complete_snapshots_during_publishing(tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish_run(published, 1)
    settings = Settings(keep_snapshots=2, keep_snapshot_hours=0)

    def runs() -> None:
        for run_day in range(2, 26):
            publish_run(published, run_day, settings=settings)

    publisher = threading.Thread(target=runs)
    publisher.start()
    seen = []
    while publisher.is_alive():
        seen.append(read_latest(tmp_path).sequence)
    publisher.join()
    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert run_of(read_latest(tmp_path)) == 25
