"""Every case of a nightly run under Dagster's own daemon: a night a minute, every run in a process of its own."""

import shutil
import time
from collections import Counter
from datetime import UTC, datetime

import dagster as dg
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.storage.data_root import Home
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import EXPORT, MORE, OTHER, deliver
from amzseg_pipeline_tests.listener import listening
from amzseg_pipeline_tests.reliability.daemon_runs import BUSY, Nights, has_made, past_nights, told
from amzseg_pipeline_tests.reliability.processes import (
    PROJECT,
    daemon,
    history,
    lock_holder,
    lose_power,
    prepare_instance,
    run_by_hand,
    until,
)
from amzseg_pipeline_tests.storage.landing.exports import sales_csv

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7_200)]

LATE = sales_csv([{"user_id": "L,M"}])


def inputs(home):
    """The paths of the batches in the latest snapshot."""
    return [batch["path"] for batch in read_latest(home.root).inputs]


def users(home):
    return set(read_latest(home.root).segment_assignments()["user_id"])


def test_every_kind_of_delivery_is_read_whole_once_and_never_by_half(tmp_path):
    home = Home(tmp_path)
    home.landing.mkdir()
    prepare_instance(home)
    with history(home) as instance, daemon(home):
        nights = Nights(instance)
        assert nights.reason() == f"no export to read in {home.landing}; put one there"

        deliver(home, sample_amazon=scenario.SAMPLE.read_bytes())
        assert told(nights.run()) == "nothing is published yet -> published snapshot 1"
        assert nights.reason() == "nothing changed since snapshot 1"

        deliver(home, export=EXPORT)
        assert told(nights.run()) == "new: export.csv; gone: sample_amazon.csv -> published snapshot 2"
        assert inputs(home) == ["export.csv"]

        deliver(home, export=EXPORT, age_seconds=1_800)
        assert told(nights.run()) == "changed or touched: export.csv -> nothing changed since snapshot 2"
        assert nights.reason() == "nothing changed since snapshot 2"

        (home.landing / "export.csv").rename(home.landing / "export_2.csv")
        assert told(nights.run()) == "new: export_2.csv; gone: export.csv -> nothing changed since snapshot 2"

        deliver(home, other=OTHER)
        assert told(nights.run()) == "new: other.csv -> published snapshot 3"
        assert {"A", "C", "D"} <= users(home)
        deliver(home, other=OTHER.replace(b"A,C", b"A,E"))
        assert told(nights.run()) == "changed or touched: other.csv -> published snapshot 4"
        assert "C" not in users(home)
        (home.landing / "other.csv").unlink()
        assert told(nights.run()) == "gone: other.csv -> published snapshot 5"
        assert not {"A", "D", "E"} & users(home)

        (home.landing / "more.csv.part").write_bytes(MORE[:50])
        assert nights.reason() == "nothing changed since snapshot 5"
        (home.landing / "more.csv.part").unlink()
        deliver(home, more=MORE[: len(MORE) // 2], age_seconds=-60)
        assert nights.reason() == "nothing changed since snapshot 5; still settling: more.csv"
        deliver(home, more=MORE)
        started = nights.started()
        until(lambda: has_made(instance, started, "raw_reviews"), seconds=300)
        deliver(home, late=LATE)
        assert told(nights.ended(started)) == "new: more.csv -> published snapshot 6"
        assert {"X", "Y", "Z"} <= users(home)
        assert inputs(home) == ["export_2.csv", "more.csv"]
        assert told(nights.run()) == "new: late.csv -> published snapshot 7"
        assert {"L", "M", "X", "Y", "Z"} <= users(home)

        with run_by_hand(home, "--force") as one, run_by_hand(home, "--force") as other:
            printed = [process.communicate(timeout=900)[0] for process in (one, other)]
        waited = ["this run waits until it has ended" in words for words in printed]
        assert sorted(waited) == [False, True], printed
        assert read_latest(home.root).sequence == 9
        until(lambda: nights.reason() == "nothing changed since snapshot 9", seconds=600)


def test_every_failure_is_told_once_and_mended_by_a_later_night(tmp_path):
    home = deliver(Home(tmp_path), export=EXPORT)
    prepare_instance(home, max_runtime_seconds="180")
    with run_by_hand(home) as process:
        until((home.warehouse / "scaled_features.parquet").exists, seconds=300)
        process.kill()
        process.wait()
    assert not has_snapshot(home.root)
    with listening() as listener, history(home) as instance:
        addresses = {"AMZSEG_ALERT_URL": listener.address, "AMZSEG_PING_URL": listener.address}
        [killed_by_hand] = instance.get_runs()
        nights = Nights(instance)
        with daemon(home, **addresses) as session:
            assert told(nights.run()) == "nothing is published yet -> published snapshot 1"

            deliver(home, broken=b"nonsense\n")
            refused = [nights.run(), nights.run()]
            assert {run.status for run in refused} == {dg.DagsterRunStatus.FAILURE}
            assert {run.tags["amzseg/changes"] for run in refused} == {"new: broken.csv"}
            until(lambda: len(listener.alerts) == 2, seconds=300)
            deliver(home, broken=MORE)
            assert nights.run().tags["amzseg/outcome"] == "published snapshot 2"

            deliver(home, one=OTHER)
            started = nights.started()
            holder = until(lambda: lock_holder(home), seconds=300)
            holder.suspend()
            assert nights.busy() == BUSY[0]
            holder.resume()
            assert told(nights.ended(started)) == "new: one.csv -> published snapshot 3"

            deliver(home, two=LATE)
            crashed = nights.started()
            until(lambda: lock_holder(home), seconds=300).kill()
            assert told(nights.ended_retry(crashed)) == "new: two.csv -> published snapshot 4"
            assert nights.ended(crashed).status == dg.DagsterRunStatus.FAILURE

            deliver(home, three=sales_csv([{"user_id": "N,O"}]))
            crashed_twice = nights.started()
            until(lambda: lock_holder(home), seconds=300).kill()
            retry = nights.retry(crashed_twice)
            until(lambda: has_made(instance, retry, "raw_reviews") and lock_holder(home), seconds=300).kill()
            assert nights.ended(retry).status == dg.DagsterRunStatus.FAILURE
            assert told(nights.run()) == "new: three.csv -> published snapshot 5"

            deliver(home, four=sales_csv([{"user_id": "P,Q"}]))
            powerless = nights.started()
            until(lambda: has_made(instance, powerless, "raw_reviews"), seconds=300)
            lose_power(session)
        assert instance.get_run_by_id(powerless).status == dg.DagsterRunStatus.STARTED
        assert read_latest(home.root).sequence == 5
        with daemon(home, **addresses):
            assert told(nights.run()) == "new: four.csv -> published snapshot 6"
            for run_id in (killed_by_hand.run_id, powerless):
                assert nights.ended(run_id).status == dg.DagsterRunStatus.FAILURE
            assert told(nights.ended_retry(powerless)) == "new: four.csv -> nothing changed since snapshot 6"
            assert nights.reason() == "nothing changed since snapshot 6"
        told_of = {*(run.run_id for run in refused), retry}
        assert Counter(alert["run_id"] for alert in listener.alerts) == Counter(told_of)
        assert len(listener.received) - len(listener.alerts) >= 7
        for run_id in told_of:
            assert instance.get_run_by_id(run_id).tags["amzseg/outcome"].startswith("failed: ")


def test_what_is_lost_or_differs_starts_one_run_and_a_lost_history_none(tmp_path):
    home = deliver(Home(tmp_path), export=EXPORT)
    prepare_instance(home)
    with history(home) as instance:
        nights = Nights(instance)
        with daemon(home):
            assert told(nights.run()) == "nothing is published yet -> published snapshot 1"
            shutil.rmtree(home.warehouse)
            rebuilt = f"{home.warehouse} is gone or not whole, so it is built again"
            assert told(nights.run()) == f"{rebuilt} -> published snapshot 2"
            (home.root / "settings.toml").write_text("seed = 7\n")
            assert told(nights.run()) == "the settings differ -> published snapshot 3"
            shutil.rmtree(home.published)
            lost = f"{home.published} holds no snapshot though a run was here: it is lost, or the run did not publish"
            assert told(nights.run()) == f"{lost} -> published snapshot 1"
            assert nights.reason() == "nothing changed since snapshot 1"
        went_down = time.time()
        deliver(home, more=MORE)
        until(lambda: _minutes_between(went_down, time.time()) >= 3, seconds=300)
        came_up = time.time()
        with daemon(home):
            assert told(nights.run()) == "new: more.csv -> published snapshot 2"
            caught_up = [night for night in past_nights(instance) if went_down < night.timestamp < came_up]
            assert len(caught_up) == 1
            assert caught_up[0].run_id
            assert nights.reason() == "nothing changed since snapshot 2"
        newer = tmp_path / "newer"
        shutil.copytree(PROJECT / "amzseg_pipeline", newer / "amzseg_pipeline")
        shutil.copy(PROJECT / "workspace.yaml", newer)
        with (newer / "amzseg_pipeline" / "steps" / "users.py").open("a") as source:
            source.write("# another version\n")
        with daemon(home, project=newer):
            assert told(nights.run()) == "the code is of another version -> published snapshot 3"
            assert nights.reason() == "nothing changed since snapshot 3"
    shutil.rmtree(home.dagster)
    prepare_instance(home)
    with history(home) as instance, daemon(home, project=newer):
        nights = Nights(instance)
        assert nights.reason() == "nothing changed since snapshot 3"
        assert instance.get_runs() == []
        deliver(home, other=OTHER)
        run = nights.run()
        assert told(run) == "new: other.csv -> published snapshot 4"
        assert [known.run_id for known in instance.get_runs()] == [run.run_id]


def _minutes_between(start, end):
    """How many times a minute began."""
    begun = [datetime.fromtimestamp(moment, UTC).replace(second=0, microsecond=0) for moment in (start, end)]
    return (begun[1] - begun[0]).total_seconds() // 60
