import numpy as np
import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.kmeans import clusters
from amzseg_pipeline.steps.segments.lifecycle.lineage import LineageMatch, lineage_match
from amzseg_pipeline.steps.segments.lifecycle.model_comparison import model_comparison, segment_means
from amzseg_pipeline_tests.steps.segments.users import untrained_model


def compared(champion_labels, found, match: LineageMatch, points):
    return model_comparison(
        points,
        champion_labels,
        segment_means(points, champion_labels, 3),
        challenger=found,
        match=match,
        champion=untrained_model(),
        silhouette_rows=np.arange(len(points)),
        null_silhouettes={2: 0.1, 3: 0.2},
    )


def test_identical_clusters_compare_as_equal() -> None:
    points = np.random.default_rng(1).normal(size=(90, 2)) + np.repeat([[0, 0], [8, 0], [0, 8]], 30, axis=0)
    found = clusters(points, 3, seed=1, n_init=3)
    same = compared(found.labels, found, LineageMatch(("S0001", "S0002", "S0003"), (0, 1, 2), None), points)
    assert same.champion_inertia == pytest.approx(same.challenger_inertia, rel=1e-12)
    assert same.champion_silhouette == same.challenger_silhouette
    assert same.champion_gain == same.challenger_gain == pytest.approx(same.champion_silhouette - 0.2)
    assert (same.adjusted_rand, same.moved_share, same.survivors) == (1.0, 0.0, 3)
    assert same.centroid_shift == pytest.approx(0, abs=1e-12)


def test_moved_users_are_counted_by_segment_id() -> None:
    points = np.array([[0.0], [1.0], [10.0], [11.0], [20.0], [24.0]])
    found = clusters(points, 3, seed=1, n_init=3)
    champion_labels = np.array([0, 0, 0, 1, 2, 2])
    overlap = np.zeros((3, 3), int)
    np.add.at(overlap, (champion_labels, found.labels), 1)
    match = lineage_match(overlap, np.zeros((3, 3)), untrained_model(), Settings(lineage_users=1))
    result = compared(champion_labels, found, match, points)
    assert result.moved_share == pytest.approx(1 / 6)
    assert result.centroid_shift == pytest.approx(11 / 3 - 0.5)
    assert result.survivors == 3


def test_an_empty_segment_has_no_mean_and_no_shift() -> None:
    points = np.array([[0.0], [1.0], [10.0]])
    means = segment_means(points, np.array([0, 0, 2]), 3)
    assert means[[0, 2]].tolist() == [[0.5], [10.0]]
    assert np.isnan(means[1]).all()
    found = clusters(points, 2, seed=1, n_init=3)
    result = compared(np.array([0, 0, 2]), found, LineageMatch(("S0004", "S0005"), (None, None), None), points)
    assert (result.centroid_shift, result.survivors, result.moved_share) == (None, 0, 1.0)
