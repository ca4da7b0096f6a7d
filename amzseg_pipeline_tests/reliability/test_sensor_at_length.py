"""The landing sensor, switched on under a real Dagster daemon."""

import subprocess
import time

import dagster as dg
import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, deliver
from amzseg_pipeline_tests.reliability.daemon_runs import status_text
from amzseg_pipeline_tests.reliability.processes import (
    BIN,
    PROJECT,
    daemon,
    environment,
    history,
    prepare_instance,
    until,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]


def test_the_sensor_starts_one_run_per_settled_export(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    prepare_instance(data_root)
    switch_on = [BIN / "dagster", "sensor", "start", "landing_sensor", "-w", PROJECT / "workspace.yaml"]
    with history(data_root) as instance, daemon(data_root, AMZSEG_CRON="0 2 1 1 *"):
        time.sleep(75)
        assert instance.get_runs() == []
        subprocess.run(switch_on, cwd=PROJECT, env=environment(data_root), check=True, capture_output=True)
        [first] = until(lambda: ended_runs(instance, 1), seconds=600)
        assert status_text(first) == "nothing is published yet -> published snapshot 1"
        deliver(data_root, more=MORE)
        second, _ = until(lambda: ended_runs(instance, 2), seconds=600)
        assert status_text(second) == "new: more.csv -> published snapshot 2"
        deliver(data_root, broken=b"nonsense\n")
        refused, *_ = until(lambda: ended_runs(instance, 3), seconds=600)
        assert refused.status == dg.DagsterRunStatus.FAILURE
        time.sleep(150)
        assert len(instance.get_runs()) == 3
        deliver(data_root, broken=OTHER)
        repaired, *_ = until(lambda: ended_runs(instance, 4), seconds=600)
        assert status_text(repaired) == "new: broken.csv -> published snapshot 3"


def ended_runs(instance, count):
    """All runs, newest first, once there are `count` and all have ended."""
    runs = instance.get_runs()
    return runs if len(runs) == count and all(run.is_finished for run in runs) else []
