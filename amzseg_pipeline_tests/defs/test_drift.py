"""Drift in runs of the job: reported in the run in which it occurs, with the feature that drifted first."""

import shutil

import pytest

from amzseg_pipeline import read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.defs.runs import deliver, people

USERS = 600
THREE = {**scenario.QUICK, "k": 3}


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """A data root with one run."""
    data_root = deliver(DataRoot(tmp_path_factory.mktemp("drift")), people=people(USERS))
    assert scenario.run(data_root, settings=THREE).success
    return data_root.root


@pytest.fixture
def data_root(first_run, tmp_path):
    """A copy of it."""
    shutil.copytree(first_run, tmp_path, dirs_exist_ok=True)
    return DataRoot(tmp_path)


def run_with(data_root, **exports):
    """The drift check and run.json of a run with these exports."""
    result = scenario.run(deliver(data_root, **exports), settings=THREE)
    assert result.success, scenario.failure(result)
    [check] = [found for found in result.get_asset_check_evaluations() if found.check_name == "no_drift"]
    return check, read_latest(data_root.root).run()


@pytest.mark.parametrize(
    ("exports", "feature"),
    [
        pytest.param({"people": people(USERS, price_factor=2)}, "psi_avg_spend", id="prices doubled"),
        pytest.param(
            {"hunters": people(USERS // 4, first=USERS + 1, list_price=10_000)},
            "psi_avg_discount",
            id="new type",
        ),
    ],
)
def test_reports_drift_with_its_feature_first_and_trains_a_challenger(data_root, exports, feature):
    check, run = run_with(data_root, **exports)
    top = run["drift"]["measures"][0]
    assert (top["name"], top["warns"]) == (feature, True)
    assert not check.passed
    assert check.description.startswith(run["drift"]["warnings"][0])
    assert feature.removeprefix("psi_") in run["drift"]["warnings"][0]
    assert run["promotion"]["decision"] != "KEEP"


def test_similar_new_users_cause_no_warning_and_no_training(data_root):
    check, run = run_with(data_root, more=people(USERS // 50, first=USERS + 1, day=2))
    assert run["drift"]["warnings"] == []
    assert check.passed
    assert run["promotion"]["decision"] == "KEEP"
