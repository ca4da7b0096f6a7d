"""A growing number of users, night by night: who brought nothing new stays where they were, and segments stay whose."""

from itertools import pairwise

import pytest

from amzseg_pipeline_tests import scenario
from benchmarks.stability_nights import runs

MOST_MOVED_SHARE = 0.002


def assert_nobody_moves_without_reason(simulated):
    """Not one still user on nights without a promotion, under 0.2 % on those with one, and the same ids and names."""
    assert all(earlier.users < later.users for earlier, later in pairwise(simulated))
    assert all(run_day.still > 0.9 * run_day.users for run_day in simulated[1:])
    promoted = [run_day for run_day in simulated[1:] if run_day.decision == "PROMOTE"]
    assert promoted
    assert [run_day.moved_still for run_day in simulated if run_day not in promoted] == [0] * (
        len(simulated) - len(promoted)
    )
    assert [run_day.moved_still_share for run_day in promoted if run_day.moved_still_share >= MOST_MOVED_SHARE] == []
    assert len({run_day.model_version for run_day in simulated}) == 1 + len(promoted)
    assert {tuple(run_day.names.items()) for run_day in simulated} == {tuple(simulated[0].names.items())}


def test_over_nights_of_growth_nobody_moves_who_brought_nothing_new(tmp_path):
    settings = {**scenario.QUICK, "k": 3, "training_users": 10_000, "promote_inertia_gain": 0}
    simulated = list(runs(tmp_path / "home", users=3_000, count=3, settings=settings, promoted=(2,)))
    assert [run_day.decision for run_day in simulated] == ["PROMOTE", "PROMOTE", "KEEP"]
    assert_nobody_moves_without_reason(simulated)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_over_fourteen_nights_of_a_hundred_thousand_users_nobody_moves_who_brought_nothing_new(tmp_path):
    settings = {"plots": "off", "promote_inertia_gain": 0}
    simulated = runs(tmp_path / "home", users=100_000, count=14, settings=settings, promoted=(5, 9, 13))
    assert_nobody_moves_without_reason(list(simulated))
