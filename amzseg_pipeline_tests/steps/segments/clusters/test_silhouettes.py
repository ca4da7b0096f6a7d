import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from amzseg_pipeline.steps.segments.clusters.silhouettes import silhouettes


@given(st.integers(0, 2**32 - 1), st.integers(3, 300), st.lists(st.integers(2, 9), min_size=1, max_size=4))
def test_silhouettes_equal_scikit_learns(seed: int, points: int, ks: list[int]) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(points, 3)).round(1)
    labellings = [rng.integers(0, k, points) for k in ks]
    for found, labels in zip(silhouettes(matrix, labellings), labellings, strict=True):
        if 2 <= len(np.unique(labels)) < points:
            assert found == pytest.approx(silhouette_score(matrix, labels), abs=1e-9)
        else:
            assert found is None


@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(2, 5))
def test_a_weight_counts_as_repeated_points(seed: int, points: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, labels = rng.normal(size=(points, 2)), rng.integers(0, k, points)
    times = rng.integers(1, 4, points)
    times[np.bincount(labels, minlength=k)[labels] == 1] = 1
    (weighted,) = silhouettes(matrix, [labels], weights=times.astype(float))
    (repeated,) = silhouettes(np.repeat(matrix, times, axis=0), [np.repeat(labels, times)])
    if weighted is None:
        assert len(np.unique(labels)) in {1, points}
    else:
        assert weighted == pytest.approx(repeated, abs=1e-9)


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [4, 4, 4]])
def test_silhouettes_need_two_clusters_and_fewer_than_points(labels: list[int]) -> None:
    assert silhouettes(np.arange(6.0).reshape(3, 2), [np.array(labels)]) == [None]


def test_identical_points_have_silhouette_zero() -> None:
    assert silhouettes(np.zeros((4, 2)), [np.array([0, 0, 1, 1])]) == [0.0]


def test_no_labelling_gives_no_silhouette() -> None:
    assert silhouettes(np.zeros((4, 2)), []) == []
