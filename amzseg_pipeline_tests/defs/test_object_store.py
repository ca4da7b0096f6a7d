"""The job with its data root in an object store: results, skipped runs, failed writes, erasure, pruning."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from amzseg_pipeline.cli.main import main
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.schedules import nightly
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.erasure.search import files_containing
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.fs.write_lease import acquire_lease
from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, deliver, persistent_instance
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.storage.landing.synthetic_exports import parquet, review_2023, sales_csv

USER = "AGTHPMTEYQC5ZB4LWLXSUH3IWPJA"


@pytest.mark.parametrize(
    ("runs", "export", "settings"),
    [
        pytest.param(1, EXPORT, scenario.QUICK, id="small"),
        pytest.param(2, EXPORT, scenario.QUICK, id="two runs", marks=pytest.mark.slow),
        pytest.param(1, scenario.SAMPLE.read_bytes(), {"n_init": 1, "k": 3}, id="sample", marks=pytest.mark.slow),
    ],
)
def test_runs_publish_the_same_on_a_store_as_in_a_folder_then_skip(
    store: Store, tmp_path: Path, runs: int, export: bytes, settings: Mapping[str, Any]
) -> None:
    """Before the second run an export is replaced and another one is removed."""
    data_root, folder = (
        deliver(data_root_at(root), export=export, replaced=OTHER, removed=MORE)
        for root in (store.address, tmp_path / "folder")
    )
    in_place = parquet([review_2023(number) for number in range(9)])
    now = datetime.now(UTC)
    for number in range(1, runs + 1):
        for each in (folder, data_root):
            if number == 1:
                (each.landing / "in_place.parquet").write_bytes(in_place)
            else:
                deliver(each, replaced=MORE)
                (each.landing / "removed.csv").unlink()
            result = scenario.run(each, settings=settings, now=now)
            assert result.success, scenario.failure(result)
        assert _hashes(read_latest(store.address)) == _hashes(read_latest(folder.root))
        only_in_store = {"lease.json", *(name for name in _names_below(data_root.warehouse) if "parquet.json" in name)}
        assert _names_below(data_root.warehouse) == _names_below(folder.warehouse) | only_in_store
    assert read_latest(store.address).sequence == runs
    assert list(files_below(data_root.local)) == [data_root.lock_file]

    store.writes.clear()
    settings = {**settings, "settle_seconds": 0}
    assert scenario.materialised(scenario.run(data_root, settings=settings)) == set()
    resources = {"pipeline": PipelineResource(root=store.address, settings=dict(settings))}
    with (
        persistent_instance(data_root) as instance,
        dg.build_schedule_context(instance=instance, resources=resources) as context,
    ):
        assert nightly(context) == dg.SkipReason(f"nothing changed since snapshot {runs}")
    assert store.writes == ["team/segments/warehouse/lease.json"]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["user_features.json", "segment_history.parquet"])
def test_run_stops_if_another_machine_takes_the_lease(store: Store, at: str) -> None:
    data_root = deliver(data_root_at(store.address), export=EXPORT)
    store.before_write[at] = lambda: acquire_lease(data_root.warehouse, "f" * 36)
    overtaken = scenario.run(data_root)
    assert "this run stops, because run ffffffff" in scenario.failure(overtaken)
    assert not has_snapshot(store.address)


@pytest.mark.slow
def test_erased_user_is_not_in_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _erase(store, monkeypatch)
    assert "snapshot 1: replaced by revision 1 without 1 user(s)" in capsys.readouterr().out
    assert files_containing([USER], path_at(store.address)) == []


@pytest.mark.slow
def test_runs_and_rollback_work_after_erasure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    data_root = _erase(store, monkeypatch)
    assert scenario.run(data_root).success
    assert read_latest(store.address).sequence == 2
    assert main(["rollback", "1"]) == 0
    assert read_latest(store.address).manifest["revision"] == 1


def _erase(store: Store, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A data root whose snapshot contained the user until the command erase ran."""
    monkeypatch.setenv("AMZSEG_DATA", store.address)
    data_root = deliver(
        data_root_at(store.address), export=sales_csv([{"user_id": f"{USER},B"}, *[{"user_id": "A,B"}] * 5])
    )
    assert scenario.run(data_root).success
    deliver(data_root, export=EXPORT)
    assert main(["erase", USER]) == 0
    return data_root


def test_deletes_old_plots_of_a_store_without_snapshot(store: Store) -> None:
    data_root = deliver(data_root_at(store.address), export=EXPORT)
    for run_id in ("0" * 36, "1" * 36):
        data_root.root.fs.pipe_file((data_root.artifacts / run_id / "plots.json").path, b"{}")  # type: ignore[attr-defined]
    config = {"root": store.address, "run_at": (datetime.now(UTC) + timedelta(hours=47)).isoformat()}
    pruned = []
    for _ in range(2):
        with scenario.quick_instance() as instance:
            result = defs.resolve_job_def("prune").execute_in_process(
                run_config={"resources": {"pipeline": {"config": config}}}, instance=instance
            )
            pruned.append(instance.get_run_by_id(result.run_id).tags["amzseg/outcome"])
        config["run_at"] = (datetime.now(UTC) + timedelta(hours=49)).isoformat()
    assert [outcome.partition(";")[0] for outcome in pruned] == [
        "deleted runs: 0, folders of plots: 0",
        "deleted runs: 0, folders of plots: 2",
    ]
    assert files_below(data_root.artifacts) == {}


@pytest.mark.parametrize(
    ("address", "endpoint", "message"),
    [
        ("s3://bucket-nobody-made/a", "", "there is no such folder"),
        ("s3://bucket/a", "http://127.0.0.1:1", r"settings\.toml: it cannot be read \(Could not connect to the"),
        ("gs://bucket/a", "", "use a local folder or s3://bucket/prefix"),
    ],
    ids=["no bucket", "no server", "another kind of store"],
)
@pytest.mark.slow
def test_missing_store_fails_with_the_reason(
    store: Store, tmp_path: Path, address: str, endpoint: str, message: str
) -> None:
    deliver(DataRoot(tmp_path / "local"), export=EXPORT)
    environment = {**os.environ, "AMZSEG_DATA": address, "AWS_ENDPOINT_URL": endpoint or store.endpoint}
    done = subprocess.run(
        [sys.executable, "-m", "amzseg_pipeline", "run"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert re.search(message, done.stdout + done.stderr), done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("refused", range(0, 30, 5))
def test_readers_keep_the_old_snapshot_whichever_write_fails(store: Store, refused: int) -> None:
    data_root = deliver(data_root_at(store.address), export=EXPORT)
    assert scenario.run(data_root).success
    before = read_latest(store.address)
    deliver(data_root, more=MORE)
    with store.refusing(from_write=refused):
        failed = scenario.run(data_root)
    assert not failed.success
    assert len(store.writes) == refused
    assert refused == 0 or "refused by the test" in scenario.failure(failed)
    assert read_latest(store.address) == before
    repaired = scenario.run(data_root)
    assert repaired.success, scenario.failure(repaired)
    assert read_latest(store.address).sequence == 2


def _hashes(snapshot: Snapshot) -> dict[str, str]:
    files = {resource["path"]: resource["hash"] for resource in snapshot.manifest["resources"]}
    return {name: sha256 for name, sha256 in files.items() if name.endswith(".parquet")}


def _names_below(warehouse: Path) -> set[str]:
    """Names of the files; parts of assignments without their hash, to which the address of the snapshot belongs."""
    names = (str(path).removeprefix(f"{warehouse}/") for path in files_below(warehouse))
    return {re.sub(r"^(segment_assignments/\d+)-[0-9a-f]{16}", r"\1", name) for name in names}
