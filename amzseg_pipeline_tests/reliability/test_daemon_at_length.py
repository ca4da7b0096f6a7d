"""All cases of the nightly run under a real Dagster daemon, with a tick every minute."""

import shutil
import time
from collections import Counter
from datetime import UTC, datetime

import dagster as dg
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.defs.dead_runs import MESSAGE
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, deliver
from amzseg_pipeline_tests.listener import listening
from amzseg_pipeline_tests.reliability.daemon_runs import BUSY, ScheduleTicks, has_made, past_ticks, status_text
from amzseg_pipeline_tests.reliability.processes import (
    PROJECT,
    daemon,
    history,
    lock_holder,
    lose_power,
    manual_run,
    prepare_instance,
    until,
)
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]

LATE = sales_csv([{"user_id": "L,M"}])


def inputs(data_root):
    """The paths of the batches in the latest snapshot."""
    return [batch["path"] for batch in read_latest(data_root.root).inputs]


def users(data_root):
    return set(read_latest(data_root.root).segment_assignments()["user_id"])


def test_reads_every_kind_of_delivery_once_and_completely(tmp_path):
    data_root = DataRoot(tmp_path)
    data_root.landing.mkdir()
    prepare_instance(data_root)
    with history(data_root) as instance, daemon(data_root):
        ticks = ScheduleTicks(instance)
        assert ticks.reason() == f"no export to read in {data_root.landing}; put one there"

        deliver(data_root, sample_amazon=scenario.SAMPLE.read_bytes())
        assert status_text(ticks.run()) == "nothing is published yet -> snapshot 1 published"
        assert ticks.reason() == "nothing changed since snapshot 1"

        deliver(data_root, export=EXPORT)
        assert status_text(ticks.run()) == "new: export.csv; removed: sample_amazon.csv -> snapshot 2 published"
        assert inputs(data_root) == ["export.csv"]

        deliver(data_root, export=EXPORT, age_seconds=1_800)
        assert status_text(ticks.run()) == "changed or touched: export.csv -> nothing changed since snapshot 2"
        assert ticks.reason() == "nothing changed since snapshot 2"

        (data_root.landing / "export.csv").rename(data_root.landing / "export_2.csv")
        assert status_text(ticks.run()) == "new: export_2.csv; removed: export.csv -> nothing changed since snapshot 2"

        deliver(data_root, other=OTHER)
        assert status_text(ticks.run()) == "new: other.csv -> snapshot 3 published"
        assert {"A", "C", "D"} <= users(data_root)
        deliver(data_root, other=OTHER.replace(b"A,C", b"A,E"))
        assert status_text(ticks.run()) == "changed or touched: other.csv -> snapshot 4 published"
        assert "C" not in users(data_root)
        (data_root.landing / "other.csv").unlink()
        assert status_text(ticks.run()) == "removed: other.csv -> snapshot 5 published"
        assert not {"A", "D", "E"} & users(data_root)

        (data_root.landing / "more.csv.part").write_bytes(MORE[:50])
        assert ticks.reason() == "nothing changed since snapshot 5"
        (data_root.landing / "more.csv.part").unlink()
        deliver(data_root, more=MORE[: len(MORE) // 2], age_seconds=-60)
        assert ticks.reason() == "nothing changed since snapshot 5; still settling: more.csv"
        deliver(data_root, more=MORE)
        started = ticks.started()
        until(lambda: has_made(instance, started, "raw_reviews"), seconds=300)
        deliver(data_root, late=LATE)
        assert status_text(ticks.ended(started)) == "new: more.csv -> snapshot 6 published"
        assert {"X", "Y", "Z"} <= users(data_root)
        assert inputs(data_root) == ["export_2.csv", "more.csv"]
        assert status_text(ticks.run()) == "new: late.csv -> snapshot 7 published"
        assert {"L", "M", "X", "Y", "Z"} <= users(data_root)

        with manual_run(data_root, "--force") as one, manual_run(data_root, "--force") as other:
            printed = [process.communicate(timeout=900)[0] for process in (one, other)]
        waited = ["this run waits until it ends" in text for text in printed]
        assert sorted(waited) == [False, True], printed
        assert read_latest(data_root.root).sequence == 9
        until(lambda: ticks.reason() == "nothing changed since snapshot 9", seconds=600)


def test_alerts_once_per_failure_and_recovers_later(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    prepare_instance(data_root, max_runtime_seconds="180")
    with manual_run(data_root) as process:
        until((data_root.warehouse / "scaled_features.parquet").exists, seconds=300)
        process.kill()
        process.wait()
    assert not has_snapshot(data_root.root)
    with listening() as listener, history(data_root) as instance:
        addresses = {"AMZSEG_ALERT_URL": listener.address, "AMZSEG_PING_URL": listener.address}
        [killed_manual_run] = instance.get_runs()
        ticks = ScheduleTicks(instance)
        with daemon(data_root, **addresses) as session:
            assert status_text(ticks.run()) == "nothing is published yet -> snapshot 1 published"

            deliver(data_root, broken=b"nonsense\n")
            refused = [ticks.run(), ticks.run()]
            assert {run.status for run in refused} == {dg.DagsterRunStatus.FAILURE}
            assert {run.tags["amzseg/changes"] for run in refused} == {"new: broken.csv"}
            until(lambda: len(listener.alerts) == 2, seconds=300)
            deliver(data_root, broken=MORE)
            assert ticks.run().tags["amzseg/outcome"] == "snapshot 2 published"

            deliver(data_root, one=OTHER)
            started = ticks.started()
            holder = until(lambda: lock_holder(data_root), seconds=300)
            holder.suspend()
            assert ticks.busy() == BUSY[0]
            holder.resume()
            assert status_text(ticks.ended(started)) == "new: one.csv -> snapshot 3 published"

            deliver(data_root, two=LATE)
            crashed = ticks.started()
            until(lambda: lock_holder(data_root), seconds=300).kill()
            assert status_text(ticks.ended_retry(crashed)) == "new: two.csv -> snapshot 4 published"
            assert ticks.ended(crashed).status == dg.DagsterRunStatus.FAILURE

            deliver(data_root, three=sales_csv([{"user_id": "N,O"}]))
            crashed_twice = ticks.started()
            until(lambda: lock_holder(data_root), seconds=300).kill()
            retry = ticks.retry(crashed_twice)
            until(lambda: has_made(instance, retry, "raw_reviews") and lock_holder(data_root), seconds=300).kill()
            assert ticks.ended(retry).status == dg.DagsterRunStatus.FAILURE
            assert status_text(ticks.run()) == "new: three.csv -> snapshot 5 published"

            deliver(data_root, four=sales_csv([{"user_id": "P,Q"}]))
            powerless = ticks.started()
            until(lambda: has_made(instance, powerless, "raw_reviews"), seconds=300)
            lose_power(session)
        assert instance.get_run_by_id(powerless).status == dg.DagsterRunStatus.STARTED
        assert read_latest(data_root.root).sequence == 5
        with daemon(data_root, **addresses):
            assert status_text(ticks.run()) == "new: four.csv -> snapshot 6 published"
            for run_id in (killed_manual_run.run_id, powerless):
                killed = ticks.ended(run_id)
                assert killed.status == dg.DagsterRunStatus.FAILURE
                # The run that found it did its work, so it is not retried.
                assert (killed.tags["amzseg/outcome"], killed.tags["dagster/max_retries"]) == (
                    f"failed: {MESSAGE}",
                    "0",
                )
            assert ticks.reason() == "nothing changed since snapshot 6"
            alerted = {*(run.run_id for run in refused), retry, powerless}
            until(lambda: len(listener.alerts) == len(alerted), seconds=120)
        assert Counter(alert["run_id"] for alert in listener.alerts) == Counter(alerted)
        assert len(listener.received) - len(listener.alerts) >= 7
        assert not [run for run in instance.get_runs() if run.parent_run_id == powerless]
        for run_id in alerted:
            assert instance.get_run_by_id(run_id).tags["amzseg/outcome"].startswith("failed: ")


def test_lost_data_starts_one_run_and_lost_history_none(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT)
    prepare_instance(data_root)
    with history(data_root) as instance:
        ticks = ScheduleTicks(instance)
        with daemon(data_root):
            assert status_text(ticks.run()) == "nothing is published yet -> snapshot 1 published"
            shutil.rmtree(data_root.warehouse)
            rebuilt = f"{data_root.warehouse} is missing or incomplete and is rebuilt"
            assert status_text(ticks.run()) == f"{rebuilt} -> snapshot 2 published"
            (data_root.root / "settings.toml").write_text("seed = 7\n")
            assert status_text(ticks.run()) == "the settings differ -> snapshot 3 published"
            shutil.rmtree(data_root.published)
            lost = f"{data_root.published} has no snapshot although a run wrote the warehouse: lost, or never published"
            assert status_text(ticks.run()) == f"{lost} -> snapshot 1 published"
            assert ticks.reason() == "nothing changed since snapshot 1"
        went_down = time.time()
        deliver(data_root, more=MORE)
        until(lambda: _minutes_between(went_down, time.time()) >= 3, seconds=300)
        came_up = time.time()
        with daemon(data_root):
            assert status_text(ticks.run()) == "new: more.csv -> snapshot 2 published"
            caught_up = [tick for tick in past_ticks(instance) if went_down < tick.timestamp < came_up]
            assert len(caught_up) == 1
            assert caught_up[0].run_id
            assert ticks.reason() == "nothing changed since snapshot 2"
        newer = tmp_path / "newer"
        shutil.copytree(PROJECT / "amzseg_pipeline", newer / "amzseg_pipeline")
        shutil.copy(PROJECT / "workspace.yaml", newer)
        with (newer / "amzseg_pipeline" / "steps" / "users.py").open("a") as source:
            source.write("# another version\n")
        with daemon(data_root, project=newer):
            assert status_text(ticks.run()) == "the code version differs -> snapshot 3 published"
            assert ticks.reason() == "nothing changed since snapshot 3"
    shutil.rmtree(data_root.dagster)
    prepare_instance(data_root)
    with history(data_root) as instance, daemon(data_root, project=newer):
        ticks = ScheduleTicks(instance)
        assert ticks.reason() == "nothing changed since snapshot 3"
        assert instance.get_runs() == []
        deliver(data_root, other=OTHER)
        run = ticks.run()
        assert status_text(run) == "new: other.csv -> snapshot 4 published"
        assert [known.run_id for known in instance.get_runs()] == [run.run_id]


def _minutes_between(start, end):
    """The number of minutes that began."""
    begun = [datetime.fromtimestamp(moment, UTC).replace(second=0, microsecond=0) for moment in (start, end)]
    return (begun[1] - begun[0]).total_seconds() // 60
