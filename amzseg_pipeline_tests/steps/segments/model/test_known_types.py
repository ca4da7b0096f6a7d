"""The choice of k on simulated users with a known number of types, and without structure (benchmarks.stability_k)."""

import os

import numpy as np
import pytest

from benchmarks import stability_k
from benchmarks.stability_k import (
    CHEAPER,
    STRUCTURELESS,
    exact,
    low_confidence_share,
    mixture,
    mixture_outcomes,
    structureless_outcomes,
)

QUICK = {"n_init": 2, "prediction_splits": 5, "jaccard_bootstraps": 5}


def test_k_is_exact_on_a_few_mixtures() -> None:
    outcomes = mixture_outcomes(range(3, 8), users=400, **QUICK)
    assert {each.types for each in outcomes} >= {2, 4, 6}
    assert [each.choice.k for each in outcomes] == [each.types for each in outcomes]
    assert "low" not in {each.choice.confidence for each in outcomes}


def test_confidence_is_low_without_structure() -> None:
    outcomes = structureless_outcomes(range(len(STRUCTURELESS)), users=400, **QUICK)
    assert [each.name for each in outcomes] == list(STRUCTURELESS)
    assert {each.choice.confidence for each in outcomes} == {"low"}


def test_an_elongated_cloud_fails_the_silhouette_gain_only() -> None:
    choice = stability_k.choice(STRUCTURELESS["normal, two features correlated by 0.9"](3, users=600), **QUICK)
    (failure,) = choice.evidence[1].failed_criteria
    assert failure.startswith("silhouette gain over a single population ")


def test_mixtures_are_as_they_say() -> None:
    sizes = set()
    for seed in range(40):
        made = mixture(seed, users=500)
        sizes.add((made.types, made.points.shape[1]))
        assert np.isfinite(made.points).all()
    assert {types for types, _ in sizes} == {2, 3, 4, 5, 6}
    assert {features for _, features in sizes} == {3, 4, 5, 6}


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_k_is_exact_on_mixtures_and_confidence_low_without_structure() -> None:
    jobs = os.cpu_count() or 1
    mixtures = mixture_outcomes(range(100), users=1_000, jobs=jobs, **CHEAPER)
    assert exact(mixtures) >= 0.80
    assert low_confidence_share(structureless_outcomes(range(60), users=1_000, jobs=jobs, **CHEAPER)) >= 0.90
