"""The number of segments: the evidence for each k, and the rule that chooses.

Over 250 lines: every rule, on the same evidence.
"""

from dataclasses import replace
from functools import cache
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from kneed import KneeLocator
from scipy.stats import sem
from sklearn.cluster import KMeans
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from amzseg_pipeline.contracts.errors import ModelError, SettingsError
from amzseg_pipeline.contracts.model import KChoice, KEvidence
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters import stability
from amzseg_pipeline.steps.segments.clusters.k_evidence import weighted_points
from amzseg_pipeline.steps.segments.clusters.stability import StopRule, prediction_strengths
from amzseg_pipeline.steps.segments.features.scaling import feature_scaling, scaled_features, scaled_matrix
from amzseg_pipeline.steps.segments.model.choosing_k import choice_from_evidence, k_choice
from amzseg_pipeline_tests.steps.segments.users import QUICK, three_types, users_of


def choice_of(users: pd.DataFrame, *, jobs: int = 1, champion_k: int | None = None, **settings: Any) -> KChoice:
    scaling = feature_scaling(users, transform="none")
    values = Settings(**{**QUICK, **settings})
    return k_choice(scaled_features(users, scaling), scaling, values, jobs=jobs, champion_k=champion_k)


@cache
def choice_of_three_types() -> KChoice:
    return choice_of(three_types(300))


def test_the_evidence_is_what_scikit_learn_and_kneed_say() -> None:
    users = three_types(300)
    matrix = np.ascontiguousarray(scaled_matrix(users, feature_scaling(users, transform="none")))
    choice = choice_of_three_types()
    fits = {k: KMeans(k, n_init=3, random_state=42).fit(matrix) for k in range(1, 9)}
    assert [e.k for e in choice.evidence] == list(range(1, 9))
    for e in choice.evidence:
        labels = fits[e.k].labels_
        assert e.inertia == pytest.approx(fits[e.k].inertia_, rel=1e-9)
        assert sorted(e.sizes) == sorted(np.bincount(labels))
        assert e.smallest_share == min(e.sizes) / 300
        if e.k > 1:
            assert e.silhouette == pytest.approx(silhouette_score(matrix, labels), abs=1e-9)
            assert e.davies_bouldin == pytest.approx(davies_bouldin_score(matrix, labels), rel=1e-9)
            assert e.calinski_harabasz == pytest.approx(calinski_harabasz_score(matrix, labels), rel=1e-9)
    inertias = [fits[k].inertia_ for k in range(1, 9)]
    assert choice.knee == KneeLocator(range(1, 9), inertias, curve="convex", direction="decreasing").knee
    eligible = {e.k: e for e in choice.evidence if e.k >= 3}
    assert choice.best_silhouette == max(eligible, key=lambda k: eligible[k].silhouette)
    assert choice.best_calinski_harabasz == max(eligible, key=lambda k: eligible[k].calinski_harabasz)
    assert choice.best_davies_bouldin == min(eligible, key=lambda k: eligible[k].davies_bouldin)


def test_the_error_of_prediction_strength_is_that_of_a_mean() -> None:
    users = three_types(300)
    scaling = feature_scaling(users, transform="none")
    sample = weighted_points(scaled_features(users, scaling), scaling, users=300)
    for e in choice_of_three_types().evidence[1:]:
        strengths = prediction_strengths(sample.points, sample.weights, e.k, splits=4, seed=42)
        assert e.prediction_strength == pytest.approx(np.mean(strengths))
        assert e.prediction_strength_error == pytest.approx(sem(strengths))


def test_one_split_has_no_error() -> None:
    with pytest.raises(SettingsError, match="prediction_splits"):
        Settings(prediction_splits=1)


def test_ending_repetitions_early_does_not_change_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def choice_and_fits() -> tuple[KChoice, int]:
        with monkeypatch.context() as patch:
            fits = Mock(wraps=stability._fitted)
            patch.setattr(stability, "_fitted", fits)
            choice = choice_of(three_types(300), k_max=5, prediction_splits=12, jaccard_bootstraps=12)
        return choice, fits.call_count

    early, fewer_fits = choice_and_fits()
    monkeypatch.setattr(StopRule, "ends", lambda *_: False)
    complete, fits = choice_and_fits()
    assert fits == 4 * (2 * 12 + 12) > fewer_fits
    assert (early.passing, early.confidence, early.k) == (complete.passing, complete.confidence, complete.k)
    assert early.k == 3


def test_one_cluster_has_only_an_inertia() -> None:
    first = choice_of_three_types().evidence[0]
    figures = (first.silhouette, first.prediction_strength, first.jaccard, first.davies_bouldin)
    assert (first.k, first.sizes, first.smallest_share, figures) == (1, (300,), 1.0, (None,) * 4)
    assert first.failed_criteria


def test_three_user_types_are_found_with_high_confidence() -> None:
    choice = choice_of(three_types(600, unknown=0))
    assert (choice.k, choice.confidence) == (3, "high")


def test_every_k_criterion_can_fail_with_a_message() -> None:
    messages = {
        "min_prediction_strength": (1.0, "prediction strength 0.9"),
        "min_jaccard": (0.999, "Jaccard index 0.9"),
        "min_silhouette": (0.9, "silhouette 0."),
        "min_silhouette_gain": (0.8, "silhouette gain over a single population 0."),
        "min_segment_share": (0.45, "smallest share 0.1"),
        "min_separation": (0.998, "separation 0."),
    }
    assert choice_of_three_types().evidence[2].failed_criteria == ()
    choice = choice_of(three_types(300), **{name: limit for name, (limit, _) in messages.items()})
    failed = choice.evidence[2].failed_criteria
    assert len(failed) == len(messages)
    for limit, message in messages.values():
        assert [each for each in failed if each.startswith(message) and each.endswith(f"is below {limit:g}")], message
    assert choice.confidence != "high"


def chosen(rows: dict[int, tuple[float, bool]], *, inertias: dict[int, float] | None = None, **given: Any) -> KChoice:
    """The choice where the evidence says, for every k, this silhouette and whether it passes every test."""
    champion_k = given.pop("champion_k", None)
    evidence = tuple(
        KEvidence(
            k=k,
            inertia=(inertias or {}).get(k, 100.0 / k),
            sizes=(40,),
            smallest_share=0.1,
            silhouette=rows.get(k, (None, False))[0],
            prediction_strength=0.9,
            jaccard=0.9,
            davies_bouldin=1.0,
            calinski_harabasz=10.0,
            failed_criteria=() if rows.get(k, (None, False))[1] else ("it fails",),
        )
        for k in range(1, 9)
    )
    return choice_from_evidence(evidence, Settings(**given), champion_k=champion_k)


@pytest.mark.parametrize(
    ("rows", "k", "rule"),
    [
        ({3: (0.4, True)}, 3, "the only number that passes every criterion"),
        (
            {3: (0.4, True), 4: (0.37, True), 5: (0.361, True)},
            5,
            "the largest number that passes every criterion (3, 4, 5)",
        ),
        (
            {3: (0.4, True), 4: (0.37, True), 5: (0.359, True)},
            4,
            "the largest number that passes every criterion (3, 4, 5) with a silhouette of at least 0.9 of the best",
        ),
        ({3: (0.4, True), 4: (0.9, False), 5: (0.8, False)}, 3, "the only number that passes every criterion"),
        ({2: (0.9, True), 3: (0.4, True)}, 3, "the only number that passes every criterion"),
        ({4: (0.3, True), 5: (0.6, True), 7: (0.55, True)}, 7, "the largest number that"),
    ],
)
def test_the_largest_passing_number_close_to_the_best_is_chosen(
    rows: dict[int, tuple[float, bool]], k: int, rule: str
) -> None:
    choice = chosen(rows)
    assert (choice.k, choice.confidence) == (k, "high")
    assert choice.passing == tuple(number for number, (_, passes) in rows.items() if passes and number >= 3)
    assert choice.rule.startswith(rule)


KNEE_AT_4 = {1: 100.0, 2: 75.0, 3: 50.0, 4: 25.0, 5: 24.0, 6: 23.0, 7: 22.0, 8: 21.0}
NO_KNEE = dict.fromkeys(range(1, 9), 100.0)


@pytest.mark.parametrize(
    ("settings", "k", "rule"),
    [
        ({"champion_k": 6, "inertias": KNEE_AT_4}, 6, "the current number of segments stays"),
        (
            {"champion_k": 2, "inertias": KNEE_AT_4},
            3,
            "it is the allowed number nearest to the current number of segments, 2",
        ),
        ({"inertias": KNEE_AT_4}, 4, "the knee of the inertia is taken"),
        (
            {"inertias": KNEE_AT_4, "k_min": 5},
            5,
            "it is the allowed number nearest to the knee of the inertia, 4",
        ),
        ({"inertias": NO_KNEE}, 3, "the default is taken"),
        ({"inertias": NO_KNEE, "k_min": 4}, 4, "it is the allowed number nearest to the default, 3"),
    ],
)
def test_without_a_passing_number_the_choice_has_low_confidence(settings: dict[str, Any], k: int, rule: str) -> None:
    choice = chosen({3: (0.5, False), 7: (0.4, False)}, **settings)
    assert (choice.k, choice.confidence) == (k, "low")
    first = settings.get("k_min", 3)
    assert choice.rule == f"no number from {first} to 8 passes every criterion; {rule}"


@pytest.mark.parametrize(
    ("k", "separation", "confidence"), [(4, 0.1, "high"), (4, 0.2, "medium"), (6, 0.4, "medium"), (2, 0.9, "high")]
)
def test_signs_of_further_types_lower_the_confidence(k: int, separation: float, confidence: str) -> None:
    evidence = list(chosen({3: (0.4, True)}).evidence)
    evidence[k - 1] = replace(evidence[k - 1], separation=separation)
    assert choice_from_evidence(tuple(evidence), Settings()).confidence == confidence


def test_without_a_limit_of_separation_there_are_no_signs_of_further_types() -> None:
    assert chosen({3: (0.4, True)}, min_separation=0.0).confidence == "high"


def test_champion_k_is_ignored_if_a_number_passes() -> None:
    assert chosen({4: (0.5, True)}, champion_k=6).k == 4


@pytest.mark.parametrize(
    ("ratio", "near"),
    [(0.0, "knee"), (1.0, "best_silhouette")],
)
def test_the_knee_rule_falls_back_to_the_best_silhouette(ratio: float, near: str) -> None:
    rng = np.random.default_rng(2)
    users = users_of([(int(n), 4, d, s) for n, d, s in zip(*rng.integers(1, 90, (3, 300)), strict=True)])
    choice = choice_of(users, min_silhouette_ratio=ratio)
    assert choice.knee != choice.best_silhouette
    assert choice.knee_near_best_silhouette == getattr(choice, near)


@pytest.mark.parametrize("k", [2, 5, 10])
def test_the_setting_k_decides_and_the_evidence_is_still_given(k: int) -> None:
    choice = choice_of(three_types(150), k=k)
    assert (choice.k, choice.rule) == (k, f"the setting k = {k}")
    assert [e.k for e in choice.evidence] == list(range(1, max(k, 8) + 1))
    assert choice.confidence != ("high" if choice.evidence[k - 1].failed_criteria else "low")
    assert choice.best_silhouette in range(3, 9)


@pytest.mark.parametrize(
    ("points", "repeats", "k", "largest"),
    [(1, 1, 1, 1), (1, 9, 1, 1), (2, 1, 2, 2), (2, 5, 2, 2), (3, 1, 3, 3), (4, 1, None, 4), (5, 4, None, 5)],
)
def test_the_range_of_k_ends_at_the_distinct_users(points: int, repeats: int, k: int | None, largest: int) -> None:
    at = [(1, 4, 0, 0), (1, 4, 100, 0), (1, 4, 0, 90), (9, 4, 50, 50), (1, 1, 50, 50)][:points]
    choice = choice_of(users_of(at * repeats))
    assert [e.k for e in choice.evidence] == list(range(1, largest + 1))
    assert choice.k == k if k else choice.k in {3, 4, 5}


def test_identical_users_are_one_segment() -> None:
    choice = choice_of(users_of([(1, 4, 0, 0)] * 9))
    assert (choice.k, choice.rule, choice.confidence) == (1, "all users are identical", "low")


def test_the_setting_k_is_lowered_to_the_distinct_users() -> None:
    choice = choice_of(users_of([(1, 4, 0, 0), (1, 4, 100, 0), (1, 4, 0, 90)] * 4), k=7)
    assert choice.k == 3
    assert choice.rule == "the setting k = 7, lowered to the 3 distinct users"


def test_k_is_limited_by_the_number_of_names() -> None:
    users = three_types(100).assign(avg_discount=None, avg_spend=None)
    assert choice_of(users).evidence[-1].k == 7
    assert choice_of(users, k=7).k == 7
    with pytest.raises(ModelError, match="8 segments, but only 7 names for users whose spend and discount"):
        choice_of(users, k=8)


def test_jobs_and_row_order_do_not_change_the_choice() -> None:
    assert choice_of(three_types(300), jobs=2) == choice_of_three_types()
    assert choice_of(three_types(300).sample(frac=1, random_state=3)) == choice_of_three_types()


def test_weighted_samples_bound_the_cost() -> None:
    users = three_types(2_000, unknown=0)
    scaling = feature_scaling(users, transform="none")
    bounded = choice_of(users, selection_users=300, silhouette_users=200, stability_users=100)
    assert all(295 <= sum(e.sizes) <= 300 for e in bounded.evidence)
    matrix = np.ascontiguousarray(scaled_matrix(users, scaling))
    everyone = KMeans(3, n_init=3, random_state=42).fit(matrix)
    found = bounded.evidence[2]
    assert bounded.k == 3
    assert found.inertia == pytest.approx(everyone.inertia_, rel=0.15)
    assert found.silhouette == pytest.approx(silhouette_score(matrix, everyone.labels_), abs=0.03)
    assert found.smallest_share == pytest.approx(np.bincount(everyone.labels_).min() / 2_000, abs=0.03)


def test_scaled_features_of_another_scaling_are_refused() -> None:
    users = three_types(50)
    other = users.assign(avg_discount=None)
    scaled = scaled_features(other, feature_scaling(other, transform="none"))
    with pytest.raises(ModelError, match="scaled_features: a feature of the scaling has null values"):
        k_choice(scaled, feature_scaling(users, transform="none"), Settings(), jobs=1)


def evidence_for(k: int, **changed: Any) -> KEvidence:
    values = {"prediction_strength": 0.9, "prediction_strength_error": 0.03, "failed_criteria": (), "silhouette": 0.4}
    values |= {"smallest_share": 0.1, "inertia": 100.0 / k, "sizes": (40,), "jaccard": 0.9}
    values |= {"davies_bouldin": None, "calinski_harabasz": None, **changed}
    return KEvidence(k=k, **values)


WEAK = {"failed_criteria": ("prediction strength 0.5 is below 0.7",), "prediction_strength": 0.5}


@pytest.mark.parametrize(
    ("changed", "confidence"),
    [
        ({}, "high"),
        ({"prediction_strength": 0.72}, "medium"),
        ({"prediction_strength": 0.69, "failed_criteria": ("prediction strength",)}, "medium"),
        ({"prediction_strength": 0.66, "failed_criteria": ("prediction strength",)}, "low"),
        ({"prediction_strength": 0.69, "failed_criteria": ("prediction strength", "silhouette")}, "low"),
        ({"failed_criteria": ("silhouette",)}, "low"),
    ],
)
def test_confidence_is_medium_within_one_standard_error(changed: dict[str, Any], confidence: str) -> None:
    evidence = tuple(evidence_for(k, **(changed if k == 3 else WEAK)) for k in range(1, 9))
    assert choice_from_evidence(evidence, Settings(k=3)).confidence == confidence


def test_a_number_within_one_standard_error_keeps_the_current_k() -> None:
    evidence = tuple(evidence_for(k, **({"prediction_strength": 0.71} if k in (3, 4) else WEAK)) for k in range(1, 9))
    assert choice_from_evidence(evidence, Settings()).k == 4
    assert choice_from_evidence(evidence, Settings(), champion_k=3).k == 3
    assert choice_from_evidence(evidence, Settings(), champion_k=6).k == 4


def test_the_fallback_keeps_the_smallest_share() -> None:
    evidence = tuple(evidence_for(k, **WEAK, smallest_share=0.1 if k < 5 else 0.011) for k in range(1, 9))
    assert choice_from_evidence(evidence, Settings(), champion_k=6).k == 4


def test_a_limit_of_zero_shows_no_further_types() -> None:
    assert choice_of(three_types(300), k_max=5, min_separation=0).confidence == choice_of_three_types().confidence
