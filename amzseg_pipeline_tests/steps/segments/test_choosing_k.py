import numpy as np
import pandas as pd
import pytest
from kneed import KneeLocator
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import KChoice
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.choosing_k import k_choice
from amzseg_pipeline.steps.segments.scaling import feature_scaling, scaled_features, scaled_matrix
from amzseg_pipeline_tests.steps.segments.users import three_kinds, users_of


def choice_of(users: pd.DataFrame, *, jobs: int = 1, **settings: object) -> KChoice:
    scaling = feature_scaling(users, transform="none")
    return k_choice(scaled_features(users, scaling), scaling, Settings(**{"n_init": 3, **settings}), jobs=jobs)


def test_the_evidence_is_what_scikit_learn_and_kneed_say() -> None:
    users = three_kinds(300)
    matrix = np.ascontiguousarray(scaled_matrix(users, feature_scaling(users, transform="none")))
    choice = choice_of(users)
    fits = {k: KMeans(k, n_init=3, random_state=42).fit(matrix) for k in range(1, 9)}
    assert [e.k for e in choice.evidence] == list(range(1, 9))
    for e in choice.evidence:
        assert e.inertia == pytest.approx(fits[e.k].inertia_, rel=1e-9)
        assert sorted(e.sizes) == sorted(np.bincount(fits[e.k].labels_))
        if e.k < 3:
            assert e.silhouette is None
        else:
            assert e.silhouette == pytest.approx(silhouette_score(matrix, fits[e.k].labels_), abs=1e-9)
    inertias = [fits[k].inertia_ for k in range(1, 9)]
    assert choice.knee == KneeLocator(range(1, 9), inertias, curve="convex", direction="decreasing").knee
    assert choice.best_silhouette == max(range(3, 9), key=lambda k: choice.evidence[k - 1].silhouette or 0)


def test_three_kinds_of_users_are_found() -> None:
    assert choice_of(three_kinds(600, unknown=0)).k == 3


@pytest.mark.parametrize(
    ("ratio", "rule", "follows"), [(0.0, "the knee", "knee"), (1.0, "the best silhouette", "best_silhouette")]
)
def test_the_knee_is_taken_only_if_its_silhouette_comes_near_the_best(ratio: float, rule: str, follows: str) -> None:
    rng = np.random.default_rng(2)
    users = users_of([(int(n), 4, d, s) for n, d, s in zip(*rng.integers(1, 90, (3, 300)), strict=True)])
    choice = choice_of(users, min_silhouette_ratio=ratio)
    assert choice.knee != choice.best_silhouette
    assert choice.rule.startswith(rule)
    assert choice.k == getattr(choice, follows)


def test_a_knee_outside_the_range_gives_way_to_the_best_silhouette() -> None:
    choice = choice_of(three_kinds(300), k_min=5, k_max=8)
    assert choice.knee is not None
    assert choice.knee < 5
    assert choice.k == choice.best_silhouette
    assert f"the knee, k = {choice.knee}, is outside 5..8" in choice.rule


@pytest.mark.parametrize("k", [2, 5, 10])
def test_the_setting_k_decides_and_the_evidence_is_still_given(k: int) -> None:
    choice = choice_of(three_kinds(200), k=k)
    assert (choice.k, choice.rule) == (k, f"the setting k = {k}")
    assert [e.k for e in choice.evidence] == list(range(1, max(k, 8) + 1))
    assert choice.evidence[k - 1].silhouette is not None
    free = choice_of(three_kinds(200))
    assert (choice.knee, choice.best_silhouette) == (free.knee, free.best_silhouette)


@pytest.mark.parametrize(
    ("points", "repeats", "k", "largest"),
    [(1, 1, 1, 1), (1, 9, 1, 1), (2, 1, 2, 2), (2, 5, 2, 2), (3, 1, 3, 3), (4, 1, 3, 4), (5, 4, None, 5)],
)
def test_the_range_ends_where_users_cease_to_differ(points: int, repeats: int, k: int | None, largest: int) -> None:
    places = [(1, 4, 0, 0), (1, 4, 100, 0), (1, 4, 0, 90), (9, 4, 50, 50), (1, 1, 50, 50)][:points]
    choice = choice_of(users_of(places * repeats))
    assert [e.k for e in choice.evidence] == list(range(1, largest + 1))
    assert choice.k == k if k else choice.k in {3, 4, 5}


def test_users_that_kmeans_cannot_tell_apart_are_one_point() -> None:
    users = users_of([(1, 4, 0, 0), (1, 4, 0, 1e9), (1, 4, 0, 1e9 + 1e-4)] * 4)
    assert users["avg_spend"].nunique() == 3
    assert choice_of(users, k=3).k == 2


def test_the_setting_k_is_lowered_to_the_users_that_differ() -> None:
    choice = choice_of(users_of([(1, 4, 0, 0), (1, 4, 100, 0), (1, 4, 0, 90)] * 4), k=7)
    assert choice.k == 3
    assert choice.rule == "the setting k = 7, lowered to the 3 users that differ"


def test_without_discounts_no_more_segments_are_tried_than_there_are_names() -> None:
    users = three_kinds(200).assign(avg_discount=None)
    assert choice_of(users).evidence[-1].k == 6
    assert choice_of(users, k=6).k == 6
    with pytest.raises(ModelError, match="7 segments, but there are only 6 names"):
        choice_of(users, k=7)


def test_neither_jobs_nor_the_order_of_rows_change_anything() -> None:
    users = three_kinds(400)
    assert choice_of(users, jobs=2) == choice_of(users)
    assert choice_of(users.sample(frac=1, random_state=3)) == choice_of(users)


def test_the_cost_is_bounded_by_samples_of_the_smallest_hashes() -> None:
    users = three_kinds(400)
    few = users.sort_values("user_hash").head(100).sort_values("user_id")
    scaling = feature_scaling(users, transform="none")
    bounded = choice_of(users, selection_users=100, silhouette_users=40)
    assert all(sum(e.sizes) == 100 for e in bounded.evidence)
    matrix = np.ascontiguousarray(scaled_matrix(few, scaling))
    labels = KMeans(3, n_init=3, random_state=42).fit(matrix).labels_
    kept = np.isin(few["user_id"], few.sort_values("user_hash").head(40)["user_id"])
    assert bounded.evidence[2].silhouette == pytest.approx(silhouette_score(matrix[kept], labels[kept]), abs=1e-9)


def test_scaled_features_of_another_scaling_are_refused() -> None:
    users = three_kinds(50)
    other = users.assign(avg_discount=None)
    scaled = scaled_features(other, feature_scaling(other, transform="none"))
    with pytest.raises(ModelError, match="scaled_features: a feature of the scaling has null values"):
        k_choice(scaled, feature_scaling(users, transform="none"), Settings(), jobs=1)
