"""Users growing in number over several runs: inactive users stay in their segment, and segments keep ids and names."""

from itertools import pairwise

import pytest

from amzseg_pipeline_tests import scenario
from benchmarks.stability_runs import runs

MAX_MOVED_SHARE = 0.002


def assert_inactive_users_stay(simulated):
    """No inactive user moves without a promotion, under 0.2% do with one, and ids and names are kept."""
    assert all(earlier.users < later.users for earlier, later in pairwise(simulated))
    assert all(run.inactive > 0.9 * run.users for run in simulated[1:])
    promoted = [run for run in simulated[1:] if run.decision == "PROMOTE"]
    assert promoted
    assert [run.moved_inactive for run in simulated if run not in promoted] == [0] * (len(simulated) - len(promoted))
    assert [run.moved_inactive_share for run in promoted if run.moved_inactive_share >= MAX_MOVED_SHARE] == []
    assert len({run.model_version for run in simulated}) == 1 + len(promoted)
    assert {tuple(run.names.items()) for run in simulated} == {tuple(simulated[0].names.items())}


def test_inactive_users_do_not_move_while_users_grow(tmp_path):
    settings = {**scenario.QUICK, "k": 3, "training_users": 10_000, "n_init": 10, "promote_inertia_gain": 0}
    simulated = list(runs(tmp_path / "data", users=2_500, count=3, settings=settings, promoted=(2,)))
    assert [run.decision for run in simulated] == ["PROMOTE", "PROMOTE", "KEEP"]
    assert_inactive_users_stay(simulated)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_inactive_users_do_not_move_over_fourteen_runs(tmp_path):
    settings = {"plots": "off", "promote_inertia_gain": 0, "promote_min_runs": 1}
    simulated = runs(tmp_path / "data", users=100_000, count=14, settings=settings, promoted=(5, 9, 13))
    assert_inactive_users_stay(list(simulated))
