"""The schedule: a run when something changed, the reason in words when not."""

import os
import time

import dagster as dg
import pytest
from filelock import FileLock

from amzseg_pipeline.defs.nightly import nightly
from amzseg_pipeline.defs.resources import DataHome
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.exports import sales_csv

EXPORT = sales_csv([{}] * 12)


def tick(home, **settings):
    """What the schedule answers."""
    data_home = DataHome(root=str(home.root), settings={**scenario.QUICK, **settings})
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(instance=instance, resources={"data_home": data_home}) as context,
    ):
        return nightly(context)


def skipped(answer) -> str:
    """The reason, which must be one."""
    assert isinstance(answer, dg.SkipReason)
    return answer.skip_message


def settled(home):
    """The home, its exports old enough to be read at night."""
    long_ago = time.time() - 3_600
    for path in home.landing.iterdir():
        os.utime(path, (long_ago, long_ago))
    return home


@pytest.fixture
def home(tmp_path):
    return settled(scenario.home_with(tmp_path, export=EXPORT))


def test_an_empty_landing_zone_is_a_reason_to_skip(tmp_path):
    assert "no export to read" in skipped(tick(scenario.home_with(tmp_path)))


def test_a_new_export_starts_a_run_and_an_unchanged_one_does_not(home):
    answer = tick(home)
    assert isinstance(answer, dg.RunRequest)
    assert answer.run_key is None
    assert answer.tags["amzseg/changes"] == "nothing is published yet"
    scenario.run(home)
    assert skipped(tick(home)) == "nothing changed since snapshot 1"


def test_a_file_that_is_still_settling_is_left_for_the_next_night(tmp_path):
    assert "no export to read" in skipped(tick(scenario.home_with(tmp_path, export=EXPORT)))


@pytest.mark.parametrize("change", ["more", "corrected", "gone"])
def test_a_change_in_the_landing_zone_starts_a_run(home, change):
    (home.landing / "other.csv").write_bytes(sales_csv([{"user_id": "A,B"}]))
    settled(home)
    scenario.run(home)
    if change == "more":
        (home.landing / "third.csv").write_bytes(sales_csv([{"user_id": "C,D"}]))
    elif change == "corrected":
        (home.landing / "other.csv").write_bytes(sales_csv([{"user_id": "A,E"}]))
    else:
        (home.landing / "other.csv").unlink()
    assert isinstance(tick(settled(home)), dg.RunRequest)


def test_other_settings_start_a_run(home):
    scenario.run(home)
    assert tick(home, seed=7).tags["amzseg/changes"] == "the settings differ"


def test_a_touched_file_costs_one_look_and_then_is_known_again(home):
    scenario.run(home)
    os.utime(home.landing / "export.csv", (time.time() - 1_800,) * 2)
    assert isinstance(tick(home), dg.RunRequest)
    assert scenario.materialised(scenario.run(home)) == set()
    assert skipped(tick(home)) == "nothing changed since snapshot 1"


def test_a_run_under_way_is_a_reason_to_skip(home):
    with FileLock(home.lock_file):
        assert "a run is under way" in skipped(tick(home))


def test_a_failed_run_is_tried_again_the_next_night_without_new_data(home):
    (home.landing / "broken.csv").write_bytes(b"nonsense")
    settled(home)
    assert not scenario.run(home).success
    assert isinstance(tick(home), dg.RunRequest)
