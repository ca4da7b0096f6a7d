"""Drift as the whole job tells it: the night it happens, with what drifted on top."""

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import deliver, people

USERS = 600
THREE = {**scenario.QUICK, "k": 3}


@pytest.fixture
def data_root(tmp_path):
    """A home with one night."""
    data_root = deliver(DataRoot(tmp_path), people=people(USERS))
    assert scenario.run(data_root, settings=THREE).success
    return data_root


def run_day(data_root, **exports):
    """The check of drift, and the snapshot, of a night with these exports."""
    result = scenario.run(deliver(data_root, **exports), settings=THREE)
    assert result.success, scenario.failure(result)
    [check] = [found for found in result.get_asset_check_evaluations() if found.check_name == "no_drift"]
    return check, read_latest(data_root.root).run()


@pytest.mark.parametrize(
    ("exports", "feature"),
    [
        pytest.param({"people": people(USERS, dearer=2)}, "psi_avg_spend", id="prices doubled"),
        pytest.param(
            {"hunters": people(USERS // 4, first=USERS + 1, listed=10_000)}, "psi_avg_discount", id="a new type of user"
        ),
    ],
)
def test_a_planted_drift_is_told_the_same_night_with_its_feature_on_top_and_asks_for_a_challenger(
    data_root, exports, feature
):
    check, run = run_day(data_root, **exports)
    top = run["drift"]["figures"][0]
    assert (top["name"], top["warns"]) == (feature, True)
    assert not check.passed
    assert check.description.startswith(run["drift"]["warnings"][0])
    assert feature.removeprefix("psi_") in run["drift"]["warnings"][0]
    assert run["promotion"]["decision"] != "KEEP"


def test_a_night_of_more_of_the_same_warns_of_nothing_and_trains_nothing(data_root):
    check, run = run_day(data_root, more=people(USERS // 50, first=USERS + 1, day=2))
    assert run["drift"]["warnings"] == []
    assert check.passed
    assert run["promotion"]["decision"] == "KEEP"
