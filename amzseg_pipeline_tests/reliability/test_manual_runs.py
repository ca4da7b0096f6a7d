"""Runs started from the shell: a second one waits, and a killed one leaves no lock."""

import dagster as dg
import pytest
from filelock import FileLock

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.defs.dead_runs import MESSAGE
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.schedules import nightly
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, deliver
from amzseg_pipeline_tests.reliability.processes import history, manual_run, prepare_instance, until

WAITS = "this run waits until it ends"


@pytest.mark.slow
def test_a_second_run_waits_and_finds_nothing_new(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    prepare_instance(data_root)
    with manual_run(data_root) as one, manual_run(data_root) as other:
        outputs = [process.communicate(timeout=240)[0] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], outputs
    first, second = sorted(outputs, key=lambda output: WAITS in output)
    assert WAITS not in first
    assert f"another run holds {data_root.lock_file}; {WAITS}" in second
    assert "snapshot 1 of " in first
    assert "Nothing changed since snapshot 1" in second
    assert read_latest(data_root.root).sequence == 1


def test_a_killed_run_frees_the_lock_at_once(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT, more=MORE)
    prepare_instance(data_root)
    with manual_run(data_root) as process:
        until((data_root.warehouse / "scaled_features.parquet").exists, seconds=120)
        process.kill()
        process.wait()
        with FileLock(data_root.lock_file, timeout=0):
            pass
    assert not has_snapshot(data_root.root)
    with history(data_root) as instance:
        [killed] = instance.get_runs()
        assert killed.status == dg.DagsterRunStatus.STARTED
        pipeline = PipelineResource(root=str(data_root.root), settings=dict(scenario.QUICK))
        with dg.build_schedule_context(instance=instance, resources={"pipeline": pipeline}) as context:
            assert [type(request) for request in nightly(context)] == [dg.RunRequest]
        result = scenario.run(data_root, instance=instance, skip_settling=True)
        assert result.success, scenario.failure(result)
        found = instance.get_run_by_id(killed.run_id)
        assert (found.status, found.tags["amzseg/outcome"]) == (dg.DagsterRunStatus.FAILURE, f"failed: {MESSAGE}")
    assert [batch["path"] for batch in read_latest(data_root.root).inputs] == ["export.csv", "more.csv"]
