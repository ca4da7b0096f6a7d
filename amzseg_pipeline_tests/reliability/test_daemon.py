"""The nightly run under Dagster's own daemon, in processes of its own, with the project's dagster.yaml."""

import time

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import Home
from amzseg_pipeline_tests.defs.runs import EXPORT, deliver
from amzseg_pipeline_tests.reliability.daemon_runs import Nights, leave_as_if_down, past_nights, told
from amzseg_pipeline_tests.reliability.processes import daemon, history, prepare_instance

MINUTE_SECONDS = 60
"""Between nights."""


@pytest.mark.timeout(1_800)
def test_a_daemon_that_was_down_catches_up_with_one_run_and_skips_what_is_unchanged(tmp_path):
    home = deliver(Home(tmp_path), export=EXPORT)
    prepare_instance(home)
    with history(home) as instance:
        leave_as_if_down(instance, seconds=200)
        up_again = time.time()
        with daemon(home):
            nights = Nights(instance)
            run = nights.run()
            assert told(run) == "nothing is published yet -> published snapshot 1"
            assert read_latest(home.root).run_id == run.run_id
            assert all(night.timestamp > up_again - MINUTE_SECONDS for night in past_nights(instance))
            assert nights.reason() == "nothing changed since snapshot 1"
        assert read_latest(home.root).sequence == 1
