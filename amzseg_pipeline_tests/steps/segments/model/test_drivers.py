import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.model.drivers import driver_contributions, strongest_drivers

COORDINATES = st.floats(-50, 50, allow_subnormal=False)


def nearest_two(matrix: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(squared_distances(matrix, centroids), axis=1, kind="stable")
    return order[:, 0], order[:, 1]


@given(arrays(np.float64, (7, 5), elements=COORDINATES), arrays(np.float64, (4, 5), elements=COORDINATES))
def test_contributions_add_up_to_the_gap_of_squared_distances(matrix: np.ndarray, centroids: np.ndarray) -> None:
    own, second = nearest_two(matrix, centroids)
    squares = squared_distances(matrix, centroids)
    gap = squares[range(7), second] - squares[range(7), own]
    parts = driver_contributions(matrix, centroids, own=own, second=second)
    assert parts.shape == (7, 5)
    assert parts.sum(axis=1) == pytest.approx(gap, abs=1e-8)
    assert (gap >= 0).all()


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ((0.0, 0.0), (9.0, 1.0)),
        ((3.0, 0.0), (-9.0, 1.0)),
        ((1.5, 0.5), (0.0, 0.0)),
    ],
)
def test_a_feature_favours_the_nearer_centroid(user: tuple, expected: tuple) -> None:
    centroids = np.array([(0.0, 0.0), (3.0, 1.0)])
    parts = driver_contributions(np.array([user]), centroids, own=np.array([0]), second=np.array([1]))
    assert parts.tolist() == [list(expected)]


def test_swapping_segments_flips_every_sign() -> None:
    matrix, centroids = np.array([(0.3, -2.0, 5.0)]), np.array([(1.0, 1.0, 1.0), (0.0, -1.0, 4.0)])
    zero, one = np.array([0]), np.array([1])
    there = driver_contributions(matrix, centroids, own=zero, second=one)
    back = driver_contributions(matrix, centroids, own=one, second=zero)
    assert there.tolist() == (-back).tolist()
    assert there.any()


def test_one_segment_has_zero_contributions() -> None:
    none = np.array([0, 0])
    parts = driver_contributions(np.array([(1.0, 2.0), (3.0, 4.0)]), np.array([(5.0, 6.0)]), own=none, second=none)
    assert parts.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_each_user_is_split_by_their_own_two_segments() -> None:
    matrix = np.array([(0.0,), (10.0,)])
    centroids = np.array([(0.0,), (4.0,), (10.0,)])
    parts = driver_contributions(matrix, centroids, own=np.array([0, 2]), second=np.array([1, 1]))
    assert parts.tolist() == [[16.0], [36.0]]


@pytest.mark.parametrize(
    ("contributions", "most", "expected"),
    [
        ((1.0, -5.0, 3.0, 0.0), 3, [1, 2, 0]),
        ((2.0, -2.0, 2.0), 3, [0, 1, 2]),
        ((0.0, 0.0), 3, [0, 1]),
        ((0.5, 4.0, 1.0), 1, [1]),
    ],
)
def test_drivers_are_sorted_by_size_and_ties_keep_their_order(contributions: tuple, most: int, expected: list) -> None:
    assert strongest_drivers(np.array([contributions]), count=most).tolist() == [expected]
