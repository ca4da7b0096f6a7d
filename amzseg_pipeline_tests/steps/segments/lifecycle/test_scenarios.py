"""Short forms of the scenarios of benchmarks.scenarios: segments follow customers who change."""

from dataclasses import replace

import pytest

from amzseg_pipeline.contracts.settings import Settings
from benchmarks.scenarios import SCENARIOS, Customers, CustomerType, Outcome, outcome

QUICK = Settings(k_max=4, n_init=2, prediction_splits=4, jaccard_bootstraps=4)


def after(name: str, *, runs: int) -> Outcome:
    (scenario,) = (each for each in SCENARIOS if each.name == name)
    return outcome(replace(scenario, runs=runs), users=500, seed=1, settings=QUICK)


def test_steady_growth_changes_no_model_and_moves_nobody_without_new_data() -> None:
    found = after("steady growth", runs=9)
    assert (found.promotions, found.moved_without_promotion, found.untrue) == ([], 0, [])
    assert found.ids_kept == 3
    assert min(run.agreement for run in found.runs) >= 0.95


def test_a_partial_first_file_is_corrected_without_a_person() -> None:
    found = after("a partial first file", runs=6)
    assert found.promotions == [5]
    assert (found.moved_without_promotion, found.moved_twice, found.untrue) == (0, 0, [])
    assert found.runs[1].agreement < found.runs[-1].agreement
    assert found.runs[-1].agreement >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_segments_are_true_ten_runs_after_a_change(scenario) -> None:
    found = outcome(scenario, users=900, seed=1)
    assert found.runs[-1].agreement >= 0.9 or not scenario.is_separable
    assert (found.moved_without_promotion, found.moved_twice, found.untrue) == (0, 0, [])


def test_customers_write_reviews_as_their_type() -> None:
    kind = CustomerType("only", 2.0, 0.0, 40.0, 5.0)
    customers = Customers([kind], seed=3)
    customers.join({"only": 1.0}, 400)
    users = customers.user_features()
    assert users["total_reviews"].mean() == pytest.approx(3.0, abs=0.3)
    assert users["avg_discount"].mean() == pytest.approx(40.0, abs=1.5)
    assert (users["log_paid_sum"] / users["total_reviews"]).mean() == pytest.approx(5_000, abs=100)
    assert customers.active == set(range(400))
