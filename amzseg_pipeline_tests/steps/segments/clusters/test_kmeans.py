import numpy as np
import pytest
from sklearn.cluster import KMeans

from amzseg_pipeline.steps.segments.clusters.kmeans import clusters

POINTS = np.random.default_rng(5).normal(size=(400, 3)) + 3 * np.random.default_rng(6).integers(0, 3, (400, 1))


def test_clusters_equal_kmeans_in_another_order() -> None:
    theirs = KMeans(4, n_init=5, random_state=1).fit(POINTS)
    ours = clusters(POINTS, 4, seed=1, n_init=5)
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-12)
    pairs = {(int(mine), int(other)) for mine, other in zip(ours.labels, theirs.labels_, strict=True)}
    assert len(pairs) == 4
    for mine, other in pairs:
        assert ours.centroids[mine] == pytest.approx(theirs.cluster_centers_[other], rel=1e-9)


def test_clusters_are_ordered_by_size_then_centroid() -> None:
    points = np.array([[9.0, 0], [9, 0], [1, 5], [1, 5], [1, 2], [1, 2], [4, 4], [4, 4], [4, 4]])
    found = clusters(points, 4, seed=0, n_init=10)
    assert found.centroids.tolist() == [[4, 4], [1, 2], [1, 5], [9, 0]]
    assert found.sizes == (3, 2, 2, 2)
    assert found.labels.tolist() == [3, 3, 2, 2, 1, 1, 0, 0, 0]


def test_the_order_does_not_depend_on_how_kmeans_numbers_clusters() -> None:
    found = [clusters(POINTS, 3, seed=seed, n_init=10) for seed in range(6)]
    for other in found[1:]:
        assert (other.labels == found[0].labels).all()
        assert other.centroids == pytest.approx(found[0].centroids, rel=1e-9)


def test_sizes_and_outlier_distances_are_those_of_the_labels() -> None:
    found = clusters(POINTS, 3, seed=0, n_init=3)
    for i in range(3):
        own = POINTS[found.labels == i]
        distances = np.linalg.norm(own - found.centroids[i], axis=1)
        assert found.sizes[i] == len(own)
        assert found.outlier_distances[i] == pytest.approx(np.percentile(distances, 99.5), rel=1e-12)


def test_points_without_coordinates_are_one_cluster() -> None:
    found = clusters(np.empty((7, 0)), 1, seed=0, n_init=3)
    assert (found.sizes, found.inertia, found.centroids.shape) == ((7,), 0.0, (1, 0))


def test_points_are_not_changed() -> None:
    points = POINTS.copy()
    clusters(points, 3, seed=0, n_init=1)
    assert (points == POINTS).all()
