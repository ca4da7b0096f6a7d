"""The choice of k on simulated users with a known number of types, and without types (benchmarks.calibration)."""

import numpy as np
import pytest

from amzseg_pipeline.contracts.settings import Settings
from benchmarks.calibration import GROUPS, Outcome, mixture, outcomes

QUICK = Settings(k_min=2, k_max=5, n_init=2, prediction_splits=5, jaccard_bootstraps=4)


def found(group: str, seed: int) -> Outcome:
    (only,) = outcomes(group, [seed], users=500, settings=QUICK)
    return only


@pytest.mark.parametrize(("group", "seed"), [("mixtures 6 sd apart", 0), ("types who write reviews", 4)])
def test_recoverable_types_are_counted_exactly(group: str, seed: int) -> None:
    each = found(group, seed)
    assert each.agreement >= 0.9
    assert each.choice.k == each.types
    assert each.choice.confidence != "low"


@pytest.mark.parametrize("group", ["one type who writes reviews", "copies of products"])
def test_confidence_is_low_without_types(group: str) -> None:
    assert found(group, 0).choice.confidence == "low"


def test_an_elongated_cloud_fails_the_comparison_with_one_type() -> None:
    cloud = found("points without types", 3)
    assert cloud.choice.confidence == "low"
    assert any(failure.startswith("silhouette gain over") for failure in cloud.choice.evidence[1].failed_criteria)


def test_mixtures_are_as_they_say() -> None:
    made = [mixture(seed, 300, apart=6) for seed in range(30)]
    assert {int(each.labels.max()) + 1 for each in made if each.labels is not None} == {2, 3, 4, 5, 6}
    assert {len(each.scaling.features) for each in made} == {3, 4, 5}
    assert all(np.isfinite(each.scaled.iloc[:, 3:].to_numpy(float)).all() for each in made)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("group", GROUPS)
def test_high_confidence_is_right(group: str) -> None:
    high = [each for each in outcomes(group, range(20)) if each.choice.confidence == "high"]
    with_types = [each for each in high if each.types is not None]
    assert len(high) - len(with_types) <= 1
    assert sum(each.is_right for each in with_types) >= 0.8 * len(with_types)
