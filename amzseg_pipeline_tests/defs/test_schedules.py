"""The schedule requests a run if something changed since the latest snapshot, else it skips with a reason.

Over 250 lines: every reason to run or to skip.
"""

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
from amzseg_pipeline.defs.schedules import nightly
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.landing import landing_listing
from amzseg_pipeline.storage.landing.scan.identity import save_known_sha256
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import (
    EXPORT,
    MORE,
    OTHER,
    changes,
    deliver,
    evaluated_schedule,
    evaluated_sensor,
    schedule_instance,
    skip_reason,
)


def rewrite_manifest(data_root, **fields):
    """Changes fields of the published manifest, as if other code or settings had published it."""
    snapshot = read_latest(data_root.root)
    manifest = snapshot.path / "datapackage.json"
    manifest.write_text(json.dumps(snapshot.manifest | fields))
    pointer = data_root.published / "LATEST.json"
    document = json.loads(pointer.read_text()) | {"sha256": sha256(manifest.read_bytes()).hexdigest()}
    pointer.write_text(json.dumps(document))


def touch(path, age_seconds=1_800):
    os.utime(path, (time.time() - age_seconds,) * 2)


def test_skips_unchanged_landing_zone(data_root):
    assert skip_reason(data_root) == "nothing changed since snapshot 1"


def test_requests_run_without_run_key_so_failures_are_retried(tmp_path):
    requested = evaluated_schedule(deliver(DataRoot(tmp_path), export=EXPORT))
    assert requested.run_key is None
    assert requested.tags["amzseg/changes"] == "nothing is published yet"
    assert requested.run_config == {"skip_settling": True}


@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "missing"])
def test_skips_empty_or_missing_landing_zone(tmp_path, is_there):
    if is_there:
        (tmp_path / "landing").mkdir()
    assert skip_reason(DataRoot(tmp_path)) == f"no export to read in {tmp_path / 'landing'}; put one there"


def test_asks_about_mount_if_exports_disappear(data_root):
    shutil.rmtree(data_root.landing)
    data_root.landing.mkdir()
    assert skip_reason(data_root).endswith("but snapshot 1 had some; is it mounted?")


def test_requests_run_for_sample_alone(tmp_path):
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
    "a file taken away": (_gone, "removed: other.csv"),
    "touched": (_touched, "changed or touched: export.csv"),
    "another name": (_renamed, "new: other_2.csv; removed: other.csv"),
    "delivered twice": (_delivered_twice, "new: other_2.csv"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_requests_run_that_names_the_change(data_root, case):
    change, reason = CHANGES[case]
    change(data_root)
    assert changes(data_root) == reason


@pytest.mark.parametrize("case", ["touched", "another name"])
def test_unchanged_content_costs_one_run(data_root, case):
    CHANGES[case][0](data_root)
    assert scenario.materialised(scenario.run(data_root, skip_settling=True)) == set()
    assert skip_reason(data_root) == "nothing changed since snapshot 1"
    assert read_latest(data_root.root).sequence == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"code_version": "0" * 16}, "the code version differs"),
        ({"settings_hash": "0" * 16}, "the settings differ"),
    ],
)
def test_requests_run_after_change_of_code_or_settings(data_root, fields, reason):
    rewrite_manifest(data_root, **fields)
    assert changes(data_root) == reason


@pytest.mark.parametrize(("setting", "starts"), [({"seed": 7}, True), ({"keep_snapshots": 7}, False)])
def test_requests_run_only_for_settings_that_change_results(data_root, setting, starts):
    assert isinstance(evaluated_schedule(data_root, **setting), dg.RunRequest if starts else dg.SkipReason)


def test_skips_file_that_is_still_settling(data_root):
    deliver(data_root, more=MORE, age_seconds=5)
    assert skip_reason(data_root) == "nothing changed since snapshot 1; still settling: more.csv"


def test_ignores_partial_upload(data_root):
    (data_root.landing / "more.csv.part").write_bytes(MORE[:50])
    touch(data_root.landing / "more.csv.part")
    assert skip_reason(data_root) == "nothing changed since snapshot 1"


def test_waits_for_first_export_to_settle(tmp_path):
    data_root = deliver(DataRoot(tmp_path), export=EXPORT, age_seconds=5)
    deliver(data_root, sample_amazon=EXPORT)
    assert skip_reason(data_root) == f"no export to read in {data_root.landing} yet; still settling: export.csv"


@pytest.mark.parametrize("name", ["other", "other_2"])
def test_waits_while_a_file_is_being_replaced(data_root, name):
    (data_root.landing / "other.csv").unlink()
    deliver(data_root, **{name: OTHER.replace(b"A,C", b"A,E")}, age_seconds=5)
    assert skip_reason(data_root) == (
        f"upload in progress: other.csv removed or changed while {name}.csv is still settling"
    )
    touch(data_root.landing / f"{name}.csv")
    assert "other.csv" in changes(data_root)


def test_skips_while_a_run_is_under_way(data_root):
    deliver(data_root, more=MORE)
    with FileLock(data_root.lock_file):
        assert skip_reason(data_root) == "a run is under way; the next tick compares again"
    assert changes(data_root) == "new: more.csv"


def test_skips_while_a_run_starts_but_not_for_one_that_never_did(data_root):
    deliver(data_root, more=MORE)
    starting = schedule_instance().create_run_for_job(defs.resolve_job_def("segment_users"))
    try:
        assert skip_reason(data_root) == "a run is about to start; the next tick compares again"
        assert changes(data_root, now=(datetime.now(UTC) + timedelta(minutes=20)).isoformat()) == "new: more.csv"
    finally:
        schedule_instance().delete_run(starting.run_id)


def test_requests_run_after_loss_of_published_folder(data_root):
    shutil.rmtree(data_root.published)
    lost = f"{data_root.published} has no snapshot although a run wrote the warehouse: lost, or never published"
    assert changes(data_root) == lost
    shutil.rmtree(data_root.warehouse)
    assert changes(data_root) == "nothing is published yet"


@pytest.mark.parametrize("lost", [".", "raw_reviews.json", "segment_profiles.parquet"])
def test_requests_run_after_loss_of_warehouse(data_root, lost):
    path = data_root.warehouse / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert changes(data_root) == f"{data_root.warehouse} is missing or incomplete and is rebuilt"


def test_loss_of_recorded_hashes_costs_one_run(data_root):
    (data_root.warehouse / "landing.json").unlink()
    assert changes(data_root) == "changed or touched: export.csv, other.csv"
    assert scenario.materialised(scenario.run(data_root, skip_settling=True)) == set()
    assert skip_reason(data_root) == "nothing changed since snapshot 1"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("settings.toml", "there is no setting"), ("published/LATEST.json", "this is not a pointer")],
)
def test_requests_run_that_fails_if_comparison_is_impossible(data_root, name, reason):
    (data_root.root / name).write_text("colour = 'red'\n")
    shown = changes(data_root)
    assert shown.startswith("cannot be compared: ")
    assert reason in shown
    result = scenario.run(data_root, skip_settling=True)
    assert not result.success
    assert scenario.materialised(result) == set()


def test_sensor_requests_one_run_per_state(data_root):
    assert evaluated_sensor(data_root).skip_message == "nothing changed since snapshot 1"
    deliver(data_root, more=MORE)
    first, again = evaluated_sensor(data_root), evaluated_sensor(data_root)
    assert first.tags["amzseg/changes"] == "new: more.csv"
    assert first.run_key == again.run_key
    deliver(data_root, more=MORE + MORE[MORE.index(b"\n") + 1 :])
    assert evaluated_sensor(data_root).run_key not in {None, first.run_key}


def test_compares_ten_thousand_exports_without_opening_them(data_root):
    shutil.rmtree(data_root.landing)
    data_root.landing.mkdir()
    for number in range(10_000):
        (data_root.landing / f"{number:04d}.csv").write_bytes(b"")
    listing = landing_listing(data_root.landing, now=0, settle_seconds=None)
    contents = {file: sha256(file.path.encode()).hexdigest() for file in listing.files}
    save_known_sha256(data_root, contents)
    inputs = [{"path": file.path, "also_at": [], "sha256": content} for file, content in contents.items()]
    rewrite_manifest(data_root, inputs=inputs)
    assert skip_reason(data_root, settle_seconds=0) == "nothing changed since snapshot 1"
    (data_root.landing / "more.csv").write_bytes(b"")
    for number in range(5, 10_000):
        (data_root.landing / f"{number:04d}.csv").unlink()
    assert changes(data_root, settle_seconds=0) == "new: more.csv; removed: 0005.csv, 0006.csv, 0007.csv and 9,992 more"


SHOWN = """
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo
from amzseg_pipeline.defs.schedules import nightly
from amzseg_pipeline.defs.sensors import landing_sensor
from dagster import DefaultScheduleStatus as Schedule, DefaultSensorStatus as Sensor
from dagster._utils.schedules import schedule_execution_time_iterator as times
assert (nightly.default_status, landing_sensor.default_status) == (Schedule.RUNNING, Sensor.STOPPED)
zone = ZoneInfo(nightly.execution_timezone)
print(nightly.cron_schedule, nightly.execution_timezone)
for start in (datetime(2026, 3, 27, tzinfo=zone), datetime(2026, 10, 23, tzinfo=zone)):
    ticks = times(start.timestamp(), nightly.cron_schedule, nightly.execution_timezone, ascending=True)
    print(*(next(ticks).astimezone(zone).strftime("%d:%H") for _ in range(5)))
"""


def test_runs_at_two_in_utc_by_default():
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("0 2 * * *", "UTC")


def test_ticks_once_a_day_in_the_given_zone_across_clock_changes():
    shown = ["30 2 * * * Europe/Berlin", "27:02 28:02 29:03 30:02 31:02", "23:02 24:02 25:02 26:02 27:02"]
    given = {**os.environ, "AMZSEG_TIMEZONE": "Europe/Berlin", "AMZSEG_CRON": "30 2 * * *"}
    done = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True, env=given)
    assert done.stdout.splitlines() == shown
