"""The nightly run under a real Dagster daemon with the project's dagster.yaml."""

import time

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.defs.runs import EXPORT, deliver
from amzseg_pipeline_tests.reliability.daemon_runs import ScheduleTicks, leave_as_if_down, past_ticks, status_text
from amzseg_pipeline_tests.reliability.processes import daemon, history, prepare_instance

MINUTE_SECONDS = 60
"""Between ticks."""


@pytest.mark.slow  # ticks come once a minute
@pytest.mark.timeout(1_800)
def test_a_restarted_daemon_catches_up_with_one_run(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    prepare_instance(data_root)
    with history(data_root) as instance:
        leave_as_if_down(instance, seconds=200)
        up_again = time.time()
        with daemon(data_root):
            ticks = ScheduleTicks(instance)
            run = ticks.run()
            assert status_text(run) == "nothing is published yet -> snapshot 1 published"
            assert read_latest(data_root.root).run_id == run.run_id
            assert all(tick.timestamp > up_again - MINUTE_SECONDS for tick in past_ticks(instance))
            assert ticks.reason() == "nothing changed since snapshot 1"
        assert read_latest(data_root.root).sequence == 1
