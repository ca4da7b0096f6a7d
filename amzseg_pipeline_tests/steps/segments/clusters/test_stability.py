import numpy as np
import pytest
from sklearn.cluster import KMeans

from amzseg_pipeline.steps.segments.clusters.stability import (
    StopRule,
    distinct_point_labels,
    jaccard,
    prediction_strengths,
)

RNG = np.random.default_rng(0)
BLOBS = np.concatenate([RNG.normal(at, 0.5, (60, 2)) for at in ((0, 0), (6, 0), (0, 6))])
NOISE = RNG.normal(size=(180, 4))
ONES = np.ones(180)


def prediction_strength(points: np.ndarray, weights: np.ndarray, k: int, *, splits: int, seed: int) -> float:
    return float(np.mean(prediction_strengths(points, weights, k, splits=splits, seed=seed)))


def labels_of(points: np.ndarray, k: int) -> np.ndarray:
    return KMeans(k, n_init=3, random_state=0).fit(points).labels_.astype(np.int64)


@pytest.mark.parametrize(
    ("points", "k", "least", "most"), [(BLOBS, 3, 0.99, 1), (BLOBS, 5, 0, 0.7), (NOISE, 4, 0, 0.6)]
)
def test_only_clusters_that_are_there_are_stable(points: np.ndarray, k: int, least: float, most: float) -> None:
    assert least <= prediction_strength(points, ONES, k, splits=6, seed=1) <= most
    assert least <= jaccard(points, ONES, labels_of(points, k), k, bootstraps=6, seed=1) <= most


def plain_prediction_strength(points: np.ndarray, k: int, *, seed: int) -> float:
    """Tibshirani and Walther's definition, pair by pair, on one split."""
    order, half = np.random.default_rng((seed, 0)).permutation(len(points)), len(points) // 2
    first, second = points[np.sort(order[:half])], points[np.sort(order[half : 2 * half])]
    predicted = KMeans(k, n_init=3, random_state=seed).fit(first).predict(second)
    found = KMeans(k, n_init=3, random_state=seed).fit(second).labels_
    shares = []
    for cluster in range(k):
        members = np.flatnonzero(found == cluster)
        pairs = [(a, b) for a in members for b in members if a != b]
        shares.append(np.mean([predicted[a] == predicted[b] for a, b in pairs]) if pairs else 0.0)
    return float(min(shares))


def plain_jaccard(points: np.ndarray, labels: np.ndarray, k: int, *, seed: int) -> float:
    """Hennig's definition, set by set, on one bootstrap sample."""
    drawn = np.random.default_rng((seed, 0)).integers(0, len(points), len(points))
    unique, times = np.unique(drawn, return_counts=True)
    again = KMeans(k, n_init=3, random_state=seed).fit(points[unique], sample_weight=times.astype(float)).labels_
    found = [set(unique[again == c]) for c in range(k)]
    original = [set(np.flatnonzero(labels == c)) & set(unique) for c in range(k)]
    return float(min(max(len(a & b) / len(a | b) for b in found) for a in original))


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("points", [BLOBS, NOISE])
def test_stability_matches_its_definitions(points: np.ndarray, k: int) -> None:
    labels = labels_of(points, k)
    expected = plain_prediction_strength(points, k, seed=9)
    assert prediction_strength(points, ONES, k, splits=1, seed=9) == pytest.approx(expected, abs=1e-12)
    expected = plain_jaccard(points, labels, k, seed=9)
    assert jaccard(points, ONES, labels, k, bootstraps=1, seed=9) == pytest.approx(expected, abs=1e-12)


def test_stability_is_a_mean_over_repetitions() -> None:
    labels = labels_of(NOISE, 4)
    several = jaccard(NOISE, ONES, labels, 4, bootstraps=5, seed=2)
    one = jaccard(NOISE, ONES, labels, 4, bootstraps=1, seed=2)
    assert several != one
    assert prediction_strength(NOISE, ONES, 4, splits=5, seed=2) != prediction_strength(
        NOISE, ONES, 4, splits=1, seed=2
    )


def test_a_rare_type_counts_by_its_weight() -> None:
    points = np.concatenate([BLOBS, [[30.0, 30.0]] * 4])
    light = np.append(ONES, [1e-9] * 4)
    labels = np.append(labels_of(BLOBS, 3), [0] * 4)
    assert prediction_strength(points, light, 3, splits=4, seed=3) > 0.99
    assert jaccard(points, light, labels, 3, bootstraps=4, seed=3) > 0.99
    assert prediction_strength(points, np.ones(184), 3, splits=4, seed=3) < 0.9


def test_identical_users_are_fitted_as_one_weighted_point() -> None:
    distinct_point_labels, users = np.array([[0.0], [1.0], [9.0], [10.0]]), np.repeat([0, 1, 2, 3], (1, 40, 40, 1))
    labels = (users > 1).astype(np.int64)
    assert jaccard(distinct_point_labels[users], np.ones(82), labels, 2, bootstraps=4, seed=3) == 1
    assert prediction_strength(distinct_point_labels[users], np.ones(82), 2, splits=4, seed=3) == 1
    assert prediction_strength(distinct_point_labels[users], np.ones(82), 3, splits=4, seed=3) < 0.9


def test_copies_drawn_together_are_one_observation() -> None:
    users = np.random.default_rng(5).normal(size=(8, 2))[np.repeat(np.arange(8), 30)]
    weights, labels = np.ones(240), np.repeat(np.arange(8), 30)
    for identical_together, expected in ((False, 1.0), (True, 0.0)):
        drawn = {"seed": 1, "identical_together": identical_together}
        assert prediction_strengths(users, weights, 8, splits=3, **drawn) == [expected] * 3
        assert jaccard(users, weights, labels, 8, bootstraps=3, **drawn) == expected
    assert prediction_strengths(BLOBS, ONES, 3, splits=3, seed=2, identical_together=True) == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("points", [np.zeros((20, 2)), np.repeat([[0.0, 0.0], [5.0, 5.0]], 10, axis=0)])
def test_fewer_distinct_points_than_clusters_have_zero_stability(points: np.ndarray) -> None:
    labels = (np.arange(20) % 3).astype(np.int64)
    assert prediction_strength(points, np.ones(20), 3, splits=3, seed=0) == 0.0
    assert jaccard(points, np.ones(20), labels, 3, bootstraps=3, seed=0) == 0.0


@pytest.mark.parametrize("users", [1, 2, 3, 4, 5])
def test_a_handful_of_users_is_measured_without_a_warning(users: int) -> None:
    points = np.arange(2.0 * users).reshape(users, 2)
    assert 0 <= prediction_strength(points, np.ones(users), 2, splits=5, seed=0) <= 1
    assert 0 <= jaccard(points, np.ones(users), np.arange(users) % 2, 2, bootstraps=5, seed=0) <= 1


def test_points_equal_to_six_decimals_share_a_label() -> None:
    points = np.array([[0.0, 1.0], [0.0, 1.0 + 1e-8], [0.0, 1.1]])
    assert distinct_point_labels(points).tolist() == [0, 0, 1]
    assert distinct_point_labels(np.empty((3, 0))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("measured", "limit", "ends"),
    [
        ([[0.95]] * 7, 0.8, False),
        ([[0.95]] * 8, 0.8, True),
        ([[0.5]] * 8, 0.8, True),
        ([[0.81]] * 24, 0.8, False),
        ([[0.95, 0.81]] * 8, 0.8, False),
        ([[0.95, 0.3]] * 8, 0.8, True),
        ([[1.0], [0.5]] * 8, 0.8, False),
    ],
)
def test_repetitions_end_where_the_verdict_is_certain(measured: list[list[float]], limit: float, ends: bool) -> None:
    assert StopRule(limit).ends(np.array(measured)) == ends


def test_a_decided_number_of_clusters_needs_less_certainty() -> None:
    measured = np.array([[0.83]] * 8)
    assert not StopRule(0.8).ends(measured)
    assert StopRule(0.8, is_decided=True).ends(measured)


@pytest.mark.parametrize(("points", "k"), [(BLOBS, 3), (BLOBS, 5), (NOISE, 4)])
def test_measures_that_end_early_have_the_same_verdict(points: np.ndarray, k: int) -> None:
    every = prediction_strengths(points, ONES, k, splits=25, seed=4)
    early = prediction_strengths(points, ONES, k, splits=25, stop=StopRule(0.8), seed=4)
    assert early == every[: len(early)] and len(early) < 25
    assert (np.mean(early) >= 0.8) == (np.mean(every) >= 0.8)
    index = [
        jaccard(points, ONES, labels_of(points, k), k, bootstraps=30, stop=stop, seed=4)
        for stop in (None, StopRule(0.75))
    ]
    assert (index[0] >= 0.75) == (index[1] >= 0.75)
