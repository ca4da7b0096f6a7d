"""Segment names for sample and real users and two to ten segments; benchmarks.names prints the tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.personas import PERSONAS
from benchmarks.names import NUMBERS, SAMPLE, NamedUsers, named_users, users_of, without_discounts

CLAIMS = {persona.name: persona.claims for persona in PERSONAS}
SENSE = {persona.name: persona for persona in PERSONAS}


def assert_unique_and_true(users: pd.DataFrame) -> None:
    by_k: dict[int, list[NamedUsers]] = {}
    for each in named_users(users, n_init=1):
        by_k.setdefault(each.k, []).append(each)
    assert list(by_k) == list(NUMBERS)
    means = users[["total_reviews", "avg_rating", "avg_discount", "avg_spend"]].astype(float).mean()
    for k, named in by_k.items():
        assert len({each.name for each in named}) == len(named) == k
        assert sum(each.users for each in named) == len(users)
        for each in named:
            wrong = f"{each.name} of k = {k}: {each.means}"
            claims = CLAIMS.get(each.name, ())
            if "engagement" in claims and SENSE[each.name].engagement > 0:
                assert each.means["total_reviews"] > means["total_reviews"], wrong
            if "discount" in claims:
                assert (each.means["avg_discount"] > means["avg_discount"]) == (SENSE[each.name].discount > 0), wrong


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return users_of(SAMPLE)


def test_sample_names_are_unique_and_true_for_two_to_ten_segments(sample: pd.DataFrame) -> None:
    assert_unique_and_true(sample)


def test_names_without_discounts_claim_nothing_about_discounts(sample: pd.DataFrame) -> None:
    users = without_discounts(sample)
    assert_unique_and_true(users)
    named = list(named_users(users, n_init=1))
    assert all(np.isnan(each.means["avg_discount"]) for each in named)
    assert not any("discount" in CLAIMS.get(each.name, ()) for each in named)


@pytest.mark.real_data
@pytest.mark.parametrize("exports", [("amazon.csv",), ("Gift_Cards_5.json.gz", "meta_Gift_Cards.json.gz")])
def test_real_names_are_unique_and_true(real_data: Path, exports: tuple[str, ...]) -> None:
    users = users_of(*(real_data / export for export in exports))
    assert_unique_and_true(users)
    assert_unique_and_true(without_discounts(users))
