"""Scheduled runs of a real daemon whose data root is in an object store."""

import dagster as dg
import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import data_root_at
from amzseg_pipeline_tests.defs.runs import EXPORT, deliver
from amzseg_pipeline_tests.object_store import Store
from amzseg_pipeline_tests.reliability.daemon_runs import ScheduleTicks
from amzseg_pipeline_tests.reliability.processes import PROJECT, daemon, history, prepare_instance


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_scheduled_run_publishes_to_the_store_once(store: Store) -> None:
    data_root = deliver(data_root_at(store.address), export=EXPORT)
    prepare_instance(data_root)
    with (data_root.dagster / "dagster.yaml").open("a") as config:
        config.write((PROJECT / "deploy/queue.yaml").read_text())
    with history(data_root) as instance:
        assert instance.get_runs_count() == 0
        with daemon(data_root, AMZSEG_LOCAL=str(data_root.local), AMZSEG_SETTLE_SECONDS="0"):
            ticks = ScheduleTicks(instance)
            run = ticks.run()
            assert run.status == dg.DagsterRunStatus.SUCCESS
            assert ticks.reason() == "nothing changed since snapshot 1"
    latest = read_latest(store.address)
    assert (latest.sequence, latest.run_id) == (1, run.run_id)
