"""Valleys between segments: types that are apart have one, slices of one cloud and steps of counts do not."""

from collections.abc import Callable

import narwhals as nw
import numpy as np
import pytest
from sklearn.cluster import KMeans

from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.steps.segments import feature_scaling, scaled_features, shrinkages
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.separation import separations, smoothed_points
from amzseg_pipeline_tests.steps.segments.users import users_of

USERS = 1_500
SIDE = np.where(np.arange(USERS) % 2, 0.5, -0.5)[:, None]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def separation(points: np.ndarray, k: int = 2, *, weights: np.ndarray | None = None) -> float:
    labels = KMeans(k, n_init=3, random_state=0).fit(points).labels_.astype(np.int64)
    (found,) = separations(points, np.ones(len(points)) if weights is None else weights, [labels])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("apart", "low", "high"), [(0, 0.0, 0.1), (3, 0.2, 0.45), (4, 0.55, 0.8), (6, 0.9, 1.0)], ids=str
)
def test_two_types_are_separated_by_their_distance(
    rng: np.random.Generator, apart: float, low: float, high: float
) -> None:
    points = rng.normal(size=(USERS, 3)) + SIDE * (apart, 0.0, 0.0)
    assert low <= separation(points) <= high


CLOUDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda rng: rng.normal(size=(USERS, 3)) * (3.0, 1.0, 1.0),
    "log-normal": lambda rng: np.exp(0.5 * rng.normal(size=(USERS, 3)) * (1.0, 1 / 3, 1 / 3)),
    "uniform": lambda rng: rng.uniform(-1, 1, size=(USERS, 3)) * (3, 1, 1),
    "exponential": lambda rng: rng.exponential(size=(USERS, 2)),
}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("k", [2, 3, 5])
def test_slices_of_one_cloud_are_not_separated(rng: np.random.Generator, cloud: str, k: int) -> None:
    assert separation(CLOUDS[cloud](rng), k) < 0.3


def test_a_small_type_that_differs_in_one_of_many_features_is_separated(rng: np.random.Generator) -> None:
    points = rng.normal(size=(USERS, 5))
    points[:100, 4] += 8.0
    assert separation(points) > 0.8


def test_weights_count_as_users(rng: np.random.Generator) -> None:
    points = rng.normal(size=(USERS, 2)) + SIDE * (6.0, 0.0)
    both = np.vstack([points, rng.uniform(-4, 4, size=(USERS, 2))])
    assert separation(both, weights=np.repeat([1.0, 1e-9], USERS)) > 0.9
    assert separation(both) < 0.6


def test_too_few_users_are_not_separated() -> None:
    points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert separations(points, np.ones(6), [labels, np.zeros(6, np.int64)]) == [0.0, None]


def scaled(users: list[tuple[float, ...]]) -> tuple[np.ndarray, FeatureScaling]:
    sample = users_of(users)
    scaling = feature_scaling(sample, transform="log", shrinkages=shrinkages(nw.from_native(sample).lazy()))
    return scaled_points(scaled_features(sample, scaling), scaling), scaling


def separation_of_reviewers(rng: np.random.Generator, counts: np.ndarray, ratings: np.ndarray) -> float:
    noise = rng.normal(50, 8, (len(counts), 2))
    points, scaling = scaled(list(zip(counts.tolist(), ratings, noise[:, 0], np.exp(noise[:, 1] / 20), strict=True)))
    labels = KMeans(2, n_init=3, random_state=0).fit(points).labels_.astype(np.int64)
    (found,) = separations(smoothed_points(points, scaling, seed=1), np.ones(len(points)), [labels])
    assert found is not None
    return found


def test_steps_of_counts_and_ratings_are_not_valleys(rng: np.random.Generator) -> None:
    zipf, stars = np.minimum(rng.zipf(2.2, 900), 200), rng.choice([3.0, 4.0, 5.0], 900, p=[0.1, 0.5, 0.4])
    one = np.ones(900, np.int64)
    assert separation_of_reviewers(rng, zipf, np.full(900, 4.0)) < 0.3
    assert separation_of_reviewers(rng, one, stars) < 0.3
    assert separation_of_reviewers(rng, np.where(rng.random(900) < 0.2, 2, 1), stars) < 0.3


def test_many_reviews_against_few_are_a_valley(rng: np.random.Generator) -> None:
    few_or_many = np.where(rng.random(900) < 0.3, rng.poisson(20, 900) + 1, rng.poisson(0.5, 900) + 1)
    assert separation_of_reviewers(rng, few_or_many, np.full(900, 4.0)) > 0.8
