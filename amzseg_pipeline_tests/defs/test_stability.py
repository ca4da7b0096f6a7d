"""A growing number of users, night by night: who brought nothing new stays where they were, and segments stay whose."""

from itertools import pairwise

import pytest

from amzseg_pipeline_tests import scenario
from benchmarks.stability_nights import nights

MOST_MOVED_SHARE = 0.002


def assert_nobody_moves_without_reason(simulated):
    """Not one still user on nights without a promotion, under 0.2 % on those with one, and the same ids and names."""
    assert all(earlier.users < later.users for earlier, later in pairwise(simulated))
    assert all(night.still > 0.9 * night.users for night in simulated[1:])
    promoted = [night for night in simulated[1:] if night.decision == "PROMOTE"]
    assert promoted
    assert [night.moved_still for night in simulated if night not in promoted] == [0] * (len(simulated) - len(promoted))
    assert [night.moved_still_share for night in promoted if night.moved_still_share >= MOST_MOVED_SHARE] == []
    assert len({night.model_version for night in simulated}) == 1 + len(promoted)
    assert {tuple(night.names.items()) for night in simulated} == {tuple(simulated[0].names.items())}


def test_over_nights_of_growth_nobody_moves_who_brought_nothing_new(tmp_path):
    settings = {**scenario.QUICK, "k": 3, "training_users": 10_000, "promote_inertia_gain": 0}
    simulated = list(nights(tmp_path / "home", users=3_000, count=3, settings=settings, promoted=(2,)))
    assert [night.decision for night in simulated] == ["PROMOTE", "PROMOTE", "KEEP"]
    assert_nobody_moves_without_reason(simulated)


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_over_fourteen_nights_of_a_hundred_thousand_users_nobody_moves_who_brought_nothing_new(tmp_path):
    settings = {"plots": "off", "promote_inertia_gain": 0}
    simulated = nights(tmp_path / "home", users=100_000, count=14, settings=settings, promoted=(5, 9, 13))
    assert_nobody_moves_without_reason(list(simulated))
