"""The schedule: a run when something changed since the last snapshot, the reason in words when not."""

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import dagster as dg
import pytest
from filelock import FileLock

from amzseg_pipeline import read_latest
from amzseg_pipeline.definitions import defs
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import landing_listing
from amzseg_pipeline.storage.landing.scan.identity import remember
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import (
    EXPORT,
    MORE,
    OTHER,
    answer,
    answer_of_the_sensor,
    changes,
    deliver,
    history,
    reason,
)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory):
    """A data root with one snapshot of two exports, made once; take copies of it."""
    root = tmp_path_factory.mktemp("published")
    data_root = deliver(DataRoot(root), export=EXPORT, other=OTHER)
    assert scenario.run(data_root, settle=True).success
    assert answer(data_root)
    return root


@pytest.fixture
def data_root(published_once, tmp_path):
    """A home with one snapshot of export.csv and other.csv, and nothing new."""
    shutil.copytree(published_once, tmp_path, dirs_exist_ok=True)
    data_root = DataRoot(tmp_path)
    _relearn(data_root)
    return data_root


def _relearn(data_root):
    """Sets the change times in the hash cache to those of the copied files, since copying does not keep them."""
    memory_file = data_root.warehouse / "landing.json"
    promotion_state = json.loads(memory_file.read_text())
    for row in promotion_state["files"]:
        row[3] = (data_root.landing / row[0]).stat().st_ctime_ns
    memory_file.write_text(json.dumps(promotion_state))


def as_by_another_version(data_root, **fields):
    """Rewrites the manifest of the snapshot, as if other code or settings had published it."""
    snapshot = read_latest(data_root.root)
    manifest = snapshot.path / "datapackage.json"
    manifest.write_text(json.dumps(snapshot.manifest | fields))
    pointer = data_root.published / "LATEST.json"
    document = json.loads(pointer.read_text()) | {"sha256": sha256(manifest.read_bytes()).hexdigest()}
    pointer.write_text(json.dumps(document))


def touch(path, age_seconds=1_800):
    os.utime(path, (time.time() - age_seconds,) * 2)


def test_an_unchanged_landing_zone_is_a_reason_to_skip(data_root):
    assert reason(data_root) == "nothing changed since snapshot 1"


def test_a_run_is_asked_for_without_a_key_that_a_failure_would_block_for_ever(tmp_path):
    requested = answer(deliver(DataRoot(tmp_path), export=EXPORT))
    assert requested.run_key is None
    assert requested.tags["amzseg/changes"] == "nothing is published yet"
    assert requested.run_config == {"resources": {"pipeline": {"config": {"settle": True}}}}


@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "missing"])
def test_an_empty_landing_zone_is_a_reason_to_skip(tmp_path, is_there):
    if is_there:
        (tmp_path / "landing").mkdir()
    assert reason(DataRoot(tmp_path)) == f"no export to read in {tmp_path / 'landing'}; put one there"


def test_an_empty_landing_zone_after_a_snapshot_asks_whether_it_is_mounted(data_root):
    shutil.rmtree(data_root.landing)
    data_root.landing.mkdir()
    assert reason(data_root).endswith("though snapshot 1 was made of some; is it mounted?")


def test_a_sample_alone_is_run(tmp_path):
    assert changes(deliver(DataRoot(tmp_path), sample_amazon=EXPORT)) == "nothing is published yet"


def _more(data_root):
    deliver(data_root, more=MORE)


def _corrected(data_root):
    deliver(data_root, other=OTHER.replace(b"A,C", b"A,E"))


def _gone(data_root):
    (data_root.landing / "other.csv").unlink()


def _touched(data_root):
    touch(data_root.landing / "export.csv")


def _renamed(data_root):
    (data_root.landing / "other.csv").rename(data_root.landing / "other_2.csv")


def _delivered_twice(data_root):
    deliver(data_root, other_2=OTHER)


CHANGES = {
    "a new file": (_more, "new: more.csv"),
    "corrected content under the same name": (_corrected, "changed or touched: other.csv"),
    "a file taken away": (_gone, "gone: other.csv"),
    "touched": (_touched, "changed or touched: export.csv"),
    "another name": (_renamed, "new: other_2.csv; gone: other.csv"),
    "delivered twice": (_delivered_twice, "new: other_2.csv"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_differs_in_the_landing_zone_starts_a_run_that_says_what(data_root, case):
    change, words = CHANGES[case]
    change(data_root)
    assert changes(data_root) == words


@pytest.mark.parametrize("case", ["touched", "another name", "delivered twice"])
def test_the_same_content_costs_one_look_and_then_is_known_again(data_root, case):
    CHANGES[case][0](data_root)
    assert scenario.materialised(scenario.run(data_root, settle=True)) == set()
    assert reason(data_root) == "nothing changed since snapshot 1"
    assert read_latest(data_root.root).sequence == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code_version": "0" * 16}, "the code is of another version"),
        ({"settings_hash": "0" * 16}, "the settings differ"),
    ],
)
def test_other_code_or_settings_start_a_run_without_new_data(data_root, fields, words):
    as_by_another_version(data_root, **fields)
    assert changes(data_root) == words


@pytest.mark.parametrize(("setting", "starts"), [({"seed": 7}, True), ({"keep_snapshots": 7}, False)])
def test_only_settings_that_change_the_result_start_a_run(data_root, setting, starts):
    assert isinstance(answer(data_root, **setting), dg.RunRequest if starts else dg.SkipReason)


def test_a_file_that_is_still_settling_is_left_for_the_next_night(data_root):
    deliver(data_root, more=MORE, age_seconds=5)
    assert reason(data_root) == "nothing changed since snapshot 1; still settling: more.csv"


def test_a_half_copied_file_is_not_looked_at(data_root):
    (data_root.landing / "more.csv.part").write_bytes(MORE[:50])
    touch(data_root.landing / "more.csv.part")
    assert reason(data_root) == "nothing changed since snapshot 1"


def test_a_first_export_that_is_settling_is_waited_for(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT, age_seconds=5)
    deliver(data_root, sample_amazon=EXPORT)
    assert reason(data_root) == f"no export to read in {data_root.landing} yet; still settling: export.csv"


@pytest.mark.parametrize("name", ["other", "other_2"])
def test_a_file_that_is_being_replaced_is_waited_for(data_root, name):
    (data_root.landing / "other.csv").unlink()
    deliver(data_root, **{name: OTHER.replace(b"A,C", b"A,E")}, age_seconds=5)
    assert reason(data_root) == (
        f"a delivery is under way: other.csv gone or changed while {name}.csv is still settling"
    )
    touch(data_root.landing / f"{name}.csv")
    assert "other.csv" in changes(data_root)


def test_a_run_under_way_is_a_reason_to_skip_and_its_end_is_not(data_root):
    deliver(data_root, more=MORE)
    with FileLock(data_root.lock_file):
        assert reason(data_root) == "a run is under way; the next night compares again"
    assert changes(data_root) == "new: more.csv"


def test_a_run_about_to_start_is_a_reason_to_skip_and_one_that_never_did_is_not(data_root):
    deliver(data_root, more=MORE)
    with history(data_root) as instance:
        instance.create_run_for_job(defs.resolve_job_def("segment_users"))
    assert reason(data_root) == "a run is about to start; the next night compares again"
    assert changes(data_root, now=(datetime.now(UTC) + timedelta(minutes=20)).isoformat()) == "new: more.csv"


def test_a_lost_published_folder_is_built_again(data_root):
    shutil.rmtree(data_root.published)
    lost = f"{data_root.published} holds no snapshot though a run was here: it is lost, or the run did not publish"
    assert changes(data_root) == lost
    shutil.rmtree(data_root.warehouse)
    assert changes(data_root) == "nothing is published yet"


@pytest.mark.parametrize("lost", [".", "raw_reviews.json", "segment_profiles.parquet"])
def test_a_lost_warehouse_is_built_again(data_root, lost):
    path = data_root.warehouse / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert changes(data_root) == f"{data_root.warehouse} is gone or not whole, so it is built again"


def test_a_lost_memory_of_hashes_costs_one_look(data_root):
    (data_root.warehouse / "landing.json").unlink()
    assert changes(data_root) == "changed or touched: export.csv, other.csv"
    assert scenario.materialised(scenario.run(data_root, settle=True)) == set()
    assert reason(data_root) == "nothing changed since snapshot 1"


@pytest.mark.parametrize(
    ("name", "words"),
    [("settings.toml", "there is no setting"), ("published/LATEST.json", "this is not a pointer")],
)
def test_what_cannot_be_compared_starts_a_run_that_fails_with_the_reason(data_root, name, words):
    (data_root.root / name).write_text("colour = 'red'\n")
    assert changes(data_root).startswith("cannot be compared: ")
    assert words in changes(data_root)
    result = scenario.run(data_root, settle=True)
    assert not result.success
    assert scenario.materialised(result) == set()


def test_what_lies_there_and_cannot_be_a_file_starts_a_run_that_fails(data_root):
    (data_root.landing / "folder.csv").mkdir()
    assert changes(data_root) == "cannot be read: folder.csv"
    assert "folder.csv: a folder is named like a file" in scenario.failure(scenario.run(data_root, settle=True))


def test_the_sensor_answers_as_the_schedule_and_once_for_each_state(data_root):
    assert answer_of_the_sensor(data_root).skip_message == "nothing changed since snapshot 1"
    deliver(data_root, more=MORE)
    first, again = answer_of_the_sensor(data_root), answer_of_the_sensor(data_root)
    assert first.tags["amzseg/changes"] == "new: more.csv"
    assert first.run_key == again.run_key
    deliver(data_root, more=MORE + MORE[MORE.index(b"\n") + 1 :])
    assert answer_of_the_sensor(data_root).run_key not in {None, first.run_key}


def test_ten_thousand_exports_are_compared_without_opening_one(data_root):
    shutil.rmtree(data_root.landing)
    data_root.landing.mkdir()
    for number in range(10_000):
        (data_root.landing / f"{number:04d}.csv").write_bytes(b"")
    listing = landing_listing(data_root.landing, now=0, settle_seconds=None)
    contents = {file: sha256(file.path.encode()).hexdigest() for file in listing.files}
    remember(data_root, contents)
    inputs = [{"path": file.path, "also_at": [], "sha256": content} for file, content in contents.items()]
    as_by_another_version(data_root, inputs=inputs)
    assert reason(data_root, settle_seconds=0) == "nothing changed since snapshot 1"
    (data_root.landing / "more.csv").write_bytes(b"")
    for number in range(5, 10_000):
        (data_root.landing / f"{number:04d}.csv").unlink()
    assert changes(data_root, settle_seconds=0) == "new: more.csv; gone: 0005.csv, 0006.csv, 0007.csv and 9,992 more"


SHOWN = """
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo
from amzseg_pipeline.defs.schedules import as_soon_as_it_lands, nightly
from dagster import DefaultScheduleStatus as Schedule, DefaultSensorStatus as Sensor
from dagster._utils.schedules import schedule_execution_time_iterator as times
assert (nightly.default_status, as_soon_as_it_lands.default_status) == (Schedule.RUNNING, Sensor.STOPPED)
zone = ZoneInfo(nightly.execution_timezone)
print(nightly.cron_schedule, nightly.execution_timezone)
for start in (datetime(2026, 3, 27, tzinfo=zone), datetime(2026, 10, 23, tzinfo=zone)):
    ticks = times(start.timestamp(), nightly.cron_schedule, nightly.execution_timezone, ascending=True)
    print(*(next(ticks).astimezone(zone).strftime("%d:%H") for _ in range(5)))
"""


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, ["0 2 * * * UTC", "27:02 28:02 29:02 30:02 31:02", "23:02 24:02 25:02 26:02 27:02"]),
        (
            {"AMZSEG_TIMEZONE": "Europe/Berlin", "AMZSEG_CRON": "30 2 * * *"},
            ["30 2 * * * Europe/Berlin", "27:02 28:02 29:03 30:02 31:02", "23:02 24:02 25:02 26:02 27:02"],
        ),
    ],
)
def test_there_is_one_night_a_day_in_the_zone_given_when_clocks_change_too(environment, shown):
    given = {name: text for name, text in os.environ.items() if not name.startswith("AMZSEG_")} | environment
    done = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True, env=given)
    assert done.stdout.splitlines() == shown
