"""Jobs and launches as an operator uses them: refused mistakes, partial runs, rollback, erasure, killed runs."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from filelock import FileLock

from amzseg_pipeline import read_latest
from amzseg_pipeline.defs.dead_runs import MESSAGE, fail_dead_runs, living_run
from amzseg_pipeline.defs.run_record import failure_reasons
from amzseg_pipeline.storage.erasure.search import files_containing
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def instance():
    with scenario.quick_instance() as instance:
        yield instance


def launched(job_name, data_root, instance, **config):
    """The result of a job with this launchpad config."""
    job = scenario.defs.resolve_job_def(job_name)
    return job.execute_in_process(
        run_config={"root": str(data_root.root), **config}, instance=instance, raise_on_error=False
    )


def downstream(name):
    """The names of an asset and everything downstream of it, `name+` in Dagster's syntax."""
    selection = dg.AssetSelection.assets(name).downstream()
    return [key.to_user_string() for key in selection.resolve(scenario.defs.resolve_asset_graph())]


@pytest.mark.parametrize(
    ("job_name", "config", "message"),
    [
        ("segment_users", {"settings": {"k": 99}}, "k is 99"),
        ("segment_users", {"settings": {"k": 1}}, "k = 1 is not a segmentation"),
        ("segment_users", {"settings": {"min_rows_share": 5}}, "min_rows_share is 5"),
        ("segment_users", {"settings": {"plots": "maybe"}}, "not in enum type plots_choice got maybe"),
        ("segment_users", {"settings": {"kk": 3}}, 'unexpected config entry "kk"'),
        ("segment_users", {"settings": {"k": "three"}}, "root:settings:k"),
        ("segment_users", {"approve": "abc"}, "model abc is not pending"),
        ("approve_pending_model", {"model_version": "abc"}, "model abc is not pending"),
        ("rollback", {"snapshot": 7}, "there is no snapshot 7; there are: 1"),
        ("erase_user", {"request_file": "../settings.toml"}, "without a path"),
        ("erase_user", {"request_file": "request.txt"}, "there is no such file"),
    ],
)
def test_refuses_wrong_config_before_launch(one_export, instance, job_name, config, message):
    with pytest.raises(dg.DagsterError) as refused:
        launched(job_name, one_export, instance, **config)
    assert message in f"{refused.value} {refused.value.__cause__}"
    assert instance.get_runs_count() == 0


def test_settings_error_is_not_retried_and_names_the_setting(one_export, instance):
    (one_export.root / "settings.toml").write_text("k = 99")
    result = launched("segment_users", one_export, instance)
    assert not result.success
    assert instance.get_run_by_id(result.run_id).tags["dagster/max_retries"] == "0"
    [reason] = failure_reasons(instance, result.run_id)
    assert "settings.toml: k is 99; give an integer, 0 to 10" in reason


def test_unchanged_run_keeps_check_results_and_no_table_is_published_alone(tmp_path, instance):
    data_root = scenario.data_root_with(tmp_path, export=EXPORT)
    assert scenario.run(data_root, instance=instance).success
    assert scenario.run(data_root, instance=instance).success
    for key in scenario.defs.resolve_asset_graph().asset_check_keys:
        if key.asset_key.to_user_string() not in scenario.NON_CRITICAL:
            [latest] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            assert latest.status == AssetCheckExecutionRecordStatus.SUCCEEDED, key
    again = scenario.run(data_root, instance=instance, only=downstream("user_features"))
    assert again.success, scenario.failure(again)
    assert read_latest(data_root.root).sequence == 2
    for name in ("published_segments", "feature_scaling"):
        alone = scenario.run(data_root, instance=instance, only=[name, "published_segments"])
        assert "this run did not materialize " in scenario.failure(alone)
        assert "segment_history, segment_migrations" in scenario.failure(alone)
    assert scenario.run(data_root, instance=instance, force=True, only=["raw_reviews"]).success
    stale = scenario.run(data_root, instance=instance, only=downstream("user_features"))
    assert "items is older than raw_reviews" in scenario.failure(stale)
    assert read_latest(data_root.root).sequence == 2


def test_rollback_job_restores_a_snapshot(two_snapshots, instance):
    result = launched("rollback", two_snapshots, instance, snapshot=1)
    assert result.success
    assert read_latest(two_snapshots.root).sequence == 1
    assert instance.get_run_by_id(result.run_id).tags["amzseg/outcome"].startswith("snapshot 1 restored, of ")


def test_rollback_job_fails_while_a_run_is_under_way(one_export, instance):
    with FileLock(one_export.lock_file):
        result = launched("rollback", one_export, instance, snapshot=1)
    assert not result.success
    assert "a run is under way" in " ".join(failure_reasons(instance, result.run_id))


def test_erase_job_erases_the_user_and_the_request(two_snapshots, instance):
    request = two_snapshots.root / "erase_requests" / "ticket-1.txt"
    request.parent.mkdir()
    request.write_text("Z\n")
    refused = launched("erase_user", two_snapshots, instance, request_file="ticket-1.txt")
    assert not refused.success
    assert request.read_text() == "Z"
    (two_snapshots.landing / "more.csv").unlink()
    result = launched("erase_user", two_snapshots, instance, request_file="ticket-1.txt")
    assert result.success, failure_reasons(instance, result.run_id)
    assert not request.exists()
    assert "Z" not in set(read_latest(two_snapshots.root).segment_assignments()["user_id"])
    assert files_containing(["ticket-1.txt"], two_snapshots.root) == []


_LIVING = """
import sys, time
from pathlib import Path
from amzseg_pipeline.defs.dead_runs import living_run
from amzseg_pipeline.storage.data_root import DataRoot
with living_run(DataRoot(Path(sys.argv[1])), sys.argv[2]):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_dead_runs_are_failed_and_living_ones_are_not(tmp_path, instance):
    data_root = scenario.data_root_with(tmp_path)
    job = scenario.defs.resolve_job_def("segment_users")
    dead, alive, starting = (
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id for _ in range(3)
    )
    command = [sys.executable, "-c", _LIVING, str(data_root.root), dead]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        process.kill()
    now = datetime.now(UTC)
    with living_run(data_root, alive):
        assert fail_dead_runs(data_root, instance, run_id="x", now=now) == [dead]
        assert fail_dead_runs(data_root, instance, run_id="x", now=now + timedelta(hours=1)) == [starting]
    run = instance.get_run_by_id(dead)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert (run.tags["amzseg/outcome"], run.tags["dagster/max_retries"]) == (f"failed: {MESSAGE}", "0")
    assert instance.get_run_by_id(alive).status == dg.DagsterRunStatus.STARTED
