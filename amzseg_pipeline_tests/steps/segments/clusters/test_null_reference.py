import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from amzseg_pipeline.steps.segments.clusters.null_reference import null_silhouettes

NAMES = ["avg_discount", "avg_spend", "tenure"]
RNG = np.random.default_rng(0)
LONG = RNG.normal(size=(1_500, 3)) * (3.0, 1.0, 1.0)
TWO_TYPES = RNG.normal(size=(1_500, 3)) + np.where(np.arange(1_500) % 2, 4.0, -4.0)[:, None] * (1.0, 0.0, 0.0)


def silhouette(points: np.ndarray, k: int) -> float:
    return float(silhouette_score(points, KMeans(k, n_init=3, random_state=0).fit(points).labels_))


@pytest.mark.parametrize("k", [2, 3, 5])
def test_a_single_population_matches_its_null_silhouette(k: int) -> None:
    (found,) = null_silhouettes(LONG, np.ones(len(LONG)), [k], names=NAMES, seed=1)
    assert found == pytest.approx(silhouette(LONG, k), abs=0.02)


def test_two_types_beat_their_null_silhouette() -> None:
    (found,) = null_silhouettes(TWO_TYPES, np.ones(len(TWO_TYPES)), [2], names=NAMES, seed=1)
    assert found is not None
    assert silhouette(TWO_TYPES, 2) > found + 0.1


def test_the_null_covariance_is_weighted() -> None:
    rare = np.vstack([LONG, np.repeat([[0.0, 40.0, 0.0]], 150, axis=0)])
    plain = null_silhouettes(LONG, np.ones(1_500), [2, 3], names=NAMES, seed=2)
    light = null_silhouettes(rare, np.append(np.ones(1_500), np.full(150, 1e-9)), [2, 3], names=NAMES, seed=2)
    heavy = null_silhouettes(rare, np.ones(1_650), [2, 3], names=NAMES, seed=2)
    assert light == pytest.approx(plain, abs=0.03)
    assert heavy[0] is not None and plain[0] is not None
    assert heavy[0] > plain[0] + 0.05


def test_identical_features_have_a_null_silhouette() -> None:
    along = np.repeat(LONG[:, :1], 3, axis=1)
    (found,) = null_silhouettes(along, np.ones(len(along)), [2], names=NAMES, seed=3)
    assert found == pytest.approx(silhouette(along, 2), abs=0.02)


def test_as_many_clusters_as_users_have_none() -> None:
    assert null_silhouettes(LONG[:4], np.ones(4), [2, 4], names=NAMES, seed=0)[1] is None
    assert null_silhouettes(LONG[:4], np.ones(4), [], names=NAMES, seed=0) == []


def test_a_step_from_one_review_to_several_is_not_structure() -> None:
    counts = np.where(RNG.random(1_500) < 0.9, 0.0, 6.0)
    points = np.column_stack([counts, RNG.normal(size=(1_500, 2))])
    names = ["total_reviews", "avg_discount", "avg_spend"]
    (found,) = null_silhouettes(points, np.ones(1_500), [2], names=names, seed=4)
    assert found == pytest.approx(silhouette(points, 2), abs=0.02)
