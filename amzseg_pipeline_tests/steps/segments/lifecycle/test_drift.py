from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.history import DRIFT_COLUMNS
from amzseg_pipeline.contracts.model import FeatureReference, Model
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import drift, training_reference
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of, with_sums

SETTINGS = Settings()


def trained(users: pd.DataFrame, **settings: Any) -> Model:
    model = model_of(users, **{"k": 3, "k_min": 2, "k_max": 3, "n_init": 1, **settings})
    return replace(model, reference=training_reference(users, model))


USERS = three_types(2_000)


@cache
def trained_champion() -> Model:
    return trained(USERS)


@cache
def everyone() -> pd.DataFrame:
    return three_types(20_000, seed=11)


def others(users: pd.DataFrame) -> pd.DataFrame:
    """Unknown users with the same behaviour."""
    hashes = (users["user_hash"] * 2_654_435_761 + 12_345) % 2**32
    return users.assign(user_id="other " + users["user_id"], user_hash=hashes)


def figures(found: Drift) -> dict[str, float]:
    return {measure.name: measure.value for measure in found.measures}


def test_training_users_do_not_drift() -> None:
    found = drift(USERS, trained_champion(), SETTINGS)
    assert found.warnings == found.triggers == ()
    assert set(figures(found)) == {column.name for column in DRIFT_COLUMNS}
    assert figures(found)["distance_ratio"] == pytest.approx(1, abs=1e-12)
    assert figures(found)["outlier_ratio"] == 1.0
    assert figures(found)["unseen_share"] == 0.0
    assert all(value == 0 for name, value in figures(found).items() if name.startswith("psi"))


def test_doubled_prices_are_reported_first() -> None:
    doubled = with_sums(USERS.assign(avg_spend=USERS["avg_spend"] * 2))
    found = drift(doubled, trained_champion(), SETTINGS)
    assert found.measures[0].name == "psi_avg_spend"
    assert found.measures[0].value > SETTINGS.drift_feature_psi
    assert found.warnings[0].startswith("PSI of avg_spend is")
    assert found.triggers[0] == found.warnings[0]


def test_a_new_user_type_is_reported_by_its_features() -> None:
    rng = np.random.default_rng(3)
    critics = users_of(
        [
            (2, float(r), 90.0, float(s))
            for r, s in zip(rng.uniform(1, 1.5, 500), rng.lognormal(6.5, 0.5, 500), strict=True)
        ]
    )
    grown = pd.concat([USERS, others(critics)], ignore_index=True)
    found = drift(grown, trained_champion(), SETTINGS)
    assert {found.measures[0].name, found.measures[1].name} == {"psi_avg_rating", "psi_avg_discount"}
    assert figures(found)["distance_ratio"] > 1.1
    assert any("mean squared distance" in warning for warning in found.warnings)
    assert found.triggers


@pytest.mark.parametrize(("users", "champion_seed"), [(200, 1_000), (1_000, 1_000)])
def test_without_drift_there_is_no_warning_in_95_of_100_runs(users: int, champion_seed: int) -> None:
    champion = trained(everyone().sample(users, random_state=champion_seed))
    seen = replace(champion.reference, seen_hashes=tuple(sorted(everyone()["user_hash"])))
    champion = replace(champion, reference=seen)
    runs = (everyone().sample(users, random_state=run_day) for run_day in range(100))
    assert sum(not drift(run_day, champion, SETTINGS).warnings for run_day in runs) >= 95


def test_unseen_users_are_counted_on_the_smallest_hashes() -> None:
    grown = pd.concat([USERS, others(USERS.head(1_000))], ignore_index=True)
    share = figures(drift(grown, trained_champion(), SETTINGS))["unseen_share"]
    assert share == pytest.approx(1 / 3, abs=0.04)
    found = drift(grown, trained_champion(), SETTINGS)
    assert any("of the users are not in the reference" in warning for warning in found.warnings)
    # New users like the old ones make no segment false.
    assert found.triggers == ()
    assert figures(drift(others(USERS), trained_champion(), SETTINGS))["unseen_share"] == pytest.approx(1, abs=0.001)


def test_a_single_feature_warns_before_it_triggers() -> None:
    shifted = with_sums(USERS.assign(avg_discount=(USERS["avg_discount"] + 4).clip(0, 100)))
    found = drift(shifted, trained_champion(), Settings(drift_feature_psi=9.0))
    assert [warning for warning in found.warnings if "avg_discount" in warning]
    assert found.triggers == tuple(w for w in found.warnings if "PSI of avg_discount" not in w)
    assert drift(shifted, trained_champion(), Settings(drift_feature_psi=0.1)).triggers[0] == found.warnings[0]


def test_order_and_types_of_columns_do_not_change_drift() -> None:
    shuffled = three_types(2_000, seed=9).sample(frac=1, random_state=1)
    typed = shuffled.convert_dtypes(dtype_backend="pyarrow")
    expected = drift(three_types(2_000, seed=9), trained_champion(), SETTINGS)
    assert drift(shuffled, trained_champion(), SETTINGS) == drift(typed, trained_champion(), SETTINGS) == expected
    assert training_reference(shuffled, trained_champion()) == training_reference(
        three_types(2_000, seed=9), trained_champion()
    )


def test_bins_are_deciles_plus_nulls_and_values_below_a_common_minimum() -> None:
    users = users_of([(1, None if i < 3 else 4.0 + i / 100, 10.0, 5.0) for i in range(23)])
    model = trained(users)
    parts = {part.name: part for part in model.reference.features}
    assert sum(parts["avg_rating"].users) == 23
    assert parts["avg_rating"].users[-1] == 3
    assert parts["avg_rating"].edges == pytest.approx([4.04 + 0.02 * i for i in range(9)])
    assert parts["avg_rating"].users[:-1] == (2,) * 10
    assert parts["total_reviews"] == FeatureReference("total_reviews", (np.nextafter(1.0, 0), 1.0), (0, 23, 0, 0))


def test_drift_reports_a_feature_that_comes_back() -> None:
    unknown = three_types(500).assign(avg_discount=np.nan)
    champion = trained(with_sums(unknown))
    assert not drift(with_sums(unknown), champion, SETTINGS).warnings
    back = drift(three_types(500), champion, SETTINGS)
    assert back.measures[0].name == "psi_avg_discount"
    assert back.triggers


@pytest.mark.parametrize("users", [1, 2, 5, 12])
def test_few_users_do_not_warn_against_themselves(users: int) -> None:
    some = three_types(users)
    assert drift(some, trained(some, k=0), SETTINGS).warnings == ()


def test_a_champion_without_a_reference_is_an_error() -> None:
    with pytest.raises(ModelError, match="no training reference"):
        drift(USERS, replace(trained_champion(), reference=None), SETTINGS)
