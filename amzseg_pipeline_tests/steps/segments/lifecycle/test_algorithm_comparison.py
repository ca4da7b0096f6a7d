from datetime import date
from itertools import count
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, silhouette_score

from amzseg_pipeline.contracts.algorithms import ALGORITHM_COMPARISON
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import scaled_features, scored_users
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix
from amzseg_pipeline.steps.segments.lifecycle.algorithm_comparison import algorithm_comparison, comparison_sample
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of

ALGORITHMS = ["KMeans", "BisectingKMeans", "GaussianMixture", "AgglomerativeClustering", "DBSCAN", "HDBSCAN"]


def compared(users: pd.DataFrame, *, engine: str = "polars", **settings: Any) -> pd.DataFrame:
    """The comparison with the segments of a model of the same users; every call of the clock adds a second."""
    values = Settings(**{"n_init": 2, "comparison_subsamples": 2, **settings})
    model = model_of(users, k=3)
    assigned = scored_users(users, model, as_of=date(2024, 1, 1))
    scaled, segments = (
        nw.from_native(ENGINES[engine](pa.Table.from_pandas(frame, preserve_index=False))).lazy()
        for frame in (scaled_features(users, model.scaling), assigned)
    )
    sample = comparison_sample(scaled, segments, users=values.comparison_users).collect("pandas").to_native()
    return algorithm_comparison(sample, model.scaling, values, clock=count().__next__)


@pytest.fixture(scope="module")
def comparison() -> pd.DataFrame:
    return compared(three_types(400, unknown=0)).set_index("algorithm")


def test_every_algorithm_has_a_row_of_the_contract(comparison: pd.DataFrame) -> None:
    assert list(comparison.index) == ALGORITHMS
    assert tuple(comparison.reset_index().columns) == ALGORITHM_COMPARISON.column_names
    assert comparison["failure"].isna().all()
    assert set(comparison["users"]) == {400}
    assert set(comparison["seconds"]) == {1.0}


def test_figures_are_those_of_scikit_learn(comparison: pd.DataFrame) -> None:
    users = three_types(400, unknown=0)
    model = model_of(users, k=3)
    points = np.ascontiguousarray(scaled_matrix(users, model.scaling))
    labels = AgglomerativeClustering(3, linkage="ward").fit_predict(points)
    ward = comparison.loc["AgglomerativeClustering"]
    assert ward["parameters"] == "n_clusters=3, linkage='ward'"
    assert ward["sizes"] == " / ".join(map(str, sorted(np.bincount(labels), reverse=True)))
    assert ward["silhouette"] == pytest.approx(silhouette_score(points, labels), abs=1e-9)
    segment_ids = scored_users(users, model, as_of=date(2024, 1, 1))["segment_id"]
    assert ward["adjusted_rand_champion"] == pytest.approx(adjusted_rand_score(segment_ids, labels), abs=1e-9)


def test_kmeans_agrees_with_the_champion(comparison: pd.DataFrame) -> None:
    assert comparison.loc["KMeans", "adjusted_rand_champion"] == pytest.approx(1.0)
    assert comparison.loc["KMeans", "adjusted_rand_subsamples"] > 0.9


def test_noise_is_measured_and_in_no_cluster() -> None:
    users = users_of([(1, 4, 10, 50 + i / 50) for i in range(60)] + [(1, 4, 90, 50 + i / 50) for i in range(60)])
    users = pd.concat([users, users_of([(40, 1.0, 50, 9e5)]).assign(user_id="far", user_hash=1)], ignore_index=True)
    row = compared(users).set_index("algorithm").loc["HDBSCAN"]
    in_clusters = sum(map(int, row["sizes"].split(" / ")))
    assert row["noise_share"] == (121 - in_clusters) / 121 > 0
    assert row["clusters"] == row["sizes"].count("/") + 1


@pytest.mark.parametrize(
    ("users", "failing"),
    [
        (three_types(1), ALGORITHMS),
        (users_of([(1, 4.0, 10.0, 5.0)] * 9), ALGORITHMS),
        (three_types(3, unknown=0), []),
        (three_types(7, unknown=0), []),
    ],
    ids=["one user", "identical users", "three users", "seven users"],
)
def test_few_users_are_compared_or_have_a_failure(users: pd.DataFrame, failing: list[str]) -> None:
    rows = compared(users).set_index("algorithm")
    failed = rows["failure"].notna()
    assert set(failing) <= set(rows.index[failed])
    assert rows.loc[~failed, "clusters"].notna().all()
    assert rows.loc[failed, "clusters"].isna().all()


@pytest.mark.parametrize("engine", ["polars", "pandas"])
def test_the_sample_is_bounded_by_the_smallest_hashes(engine: str) -> None:
    assert set(compared(three_types(200), engine=engine, comparison_users=50)["users"]) == {50}
