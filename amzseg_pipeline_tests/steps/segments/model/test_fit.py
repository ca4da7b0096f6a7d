import math
import subprocess
import sys
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments import cluster_model, fitted_model, scaled_features, scored_users
from amzseg_pipeline.steps.segments.model.naming import named_segments
from amzseg_pipeline_tests.steps.segments.users import (
    QUICK,
    TRAINED_AT,
    model_in_parts,
    model_of,
    scaling_of,
    three_types,
    users_of,
)

FEW_VALUES = st.tuples(
    st.sampled_from([1, 2, 5]),
    st.sampled_from([None, 1.0, 4.1]),
    st.sampled_from([None, 0.0, 60.0]),
    st.sampled_from([None, 10.0, 10.000001, 1e6]),
)


def test_three_user_types_get_the_core_names() -> None:
    model = model_of(three_types(600, unknown=0))
    assert [s.segment_id for s in model.segments] == ["S0001", "S0002", "S0003"]
    assert [s.name for s in model.segments] == ["Deal Seekers", "Casual Buyers", "Premium Loyalists"]
    sizes = [s.training_users for s in model.segments]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == 600


@pytest.mark.parametrize("transform", ["none", "log"])
def test_order_jobs_and_separate_steps_do_not_change_the_model(transform: str) -> None:
    users = three_types(300)
    model = model_of(users, transform=transform)
    assert model_of(users.sample(frac=1, random_state=1), transform=transform) == model
    settings = Settings(**QUICK, transform=transform)
    assert fitted_model(users, settings, trained_at=TRAINED_AT, jobs=2) == model
    assert model_in_parts(users, settings, jobs=1) == model


def test_refitting_the_same_users_moves_no_user() -> None:
    users = three_types(300)
    first, again = (scored_users(users, model_of(users), as_of=date(2024, 1, 1)) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


@pytest.mark.parametrize(
    ("k", "transform"),
    [
        pytest.param(k, transform, marks=[] if (transform == "log") == (k % 2 > 0) else pytest.mark.slow)
        for k in range(2, 11)
        for transform in ("none", "log")
    ],
)
def test_names_are_unique_for_every_number_of_segments(k: int, transform: str) -> None:
    model = model_of(three_types(150), transform=transform, k=k, k_min=2, k_max=2, n_init=1)
    assert len({s.name for s in model.segments}) == len(model.segments) == k


@pytest.mark.parametrize("transform", ["none", "log"])
def test_the_training_users_of_a_segment_are_those_it_scores(transform: str) -> None:
    users = three_types(400)
    model = model_of(users, transform=transform)
    counts = scored_users(users, model, as_of=date(2024, 1, 1))["segment_id"].value_counts()
    assert {s.segment_id: s.training_users for s in model.segments} == counts.to_dict()
    assert model.inertia == pytest.approx(
        (scored_users(users, model, as_of=date(2024, 1, 1))["distance"].astype(float) ** 2).sum(), rel=1e-9
    )


@pytest.mark.parametrize("transform", ["none", "log"])
def test_names_are_those_of_the_centroids_in_population_sd(transform: str) -> None:
    users = three_types(600, unknown=0)
    model = model_of(users, transform=transform, k=3)
    assert [s.name for s in model.segments] == ["Deal Seekers", "Casual Buyers", "Premium Loyalists"]
    named = named_segments(np.array([s.centroid for s in model.segments]), model.scaling)
    assert [s.name for s in model.segments] == [each.persona.name for each in named]
    assert [s.name_fit for s in model.segments] == [each.name_fit for each in named]


def test_champion_k_is_kept_if_no_number_passes() -> None:
    rng = np.random.default_rng(1)
    users = users_of([(1, *row) for row in rng.uniform((1, 0, 1), (5, 100, 2), (200, 3)).round(2)])
    scaling = scaling_of(users, transform="log")
    settings = Settings(**QUICK, min_prediction_strength=0.999)
    model = cluster_model(
        scaled_features(users, scaling), scaling, settings, trained_at=TRAINED_AT, jobs=1, champion_k=6
    )
    assert (len(model.segments), model.choice.confidence) == (6, "low")


@pytest.mark.parametrize(
    ("users", "segments"),
    [
        (three_types(1), 1),
        (users_of([(1, 4.0, 10.0, 5.0)] * 30), 1),
        (users_of([(1, 4.0, 10.0, 5.0), (7, 4.0, 10.0, 5.0)] * 8), 2),
        (three_types(2, unknown=0), 2),
    ],
    ids=["one user", "identical users", "two types of users", "two users"],
)
@pytest.mark.parametrize("transform", ["none", "log"])
def test_few_or_equal_users_get_as_many_segments_as_differ(users: pd.DataFrame, segments: int, transform: str) -> None:
    model = model_of(users, transform=transform, k=5)
    assert len(model.segments) == segments
    assert sum(s.training_users for s in model.segments) == len(users)
    if segments == 1:
        assert model.segments[0].name == "All Customers"


@pytest.mark.parametrize("column", ["avg_rating", "avg_discount", "avg_spend"])
def test_a_feature_without_values_is_dropped(column: str) -> None:
    model = model_of(three_types(100).assign(**{column: None}))
    assert [d.name for d in model.scaling.dropped] == [column]
    assert all(len(s.centroid) == 4 for s in model.segments)


def test_no_users_are_an_error() -> None:
    with pytest.raises(ModelError, match="there are no users"):
        model_of(three_types(5).head(0))


def test_infinite_values_are_an_error() -> None:
    users = three_types(5)
    users.loc[2, "avg_spend"] = math.inf
    with pytest.raises(ModelError, match="avg_spend of 1 of 5 users"):
        model_of(users)


@given(st.lists(FEW_VALUES, min_size=1, max_size=14), st.sampled_from(["none", "log"]))
def test_any_few_users_get_a_model_without_a_warning(rows: list[Any], transform: str) -> None:
    users = users_of(rows)
    model = model_of(users, transform=transform, n_init=1)
    assert sum(s.training_users for s in model.segments) == len(users)
    assert all(s.training_users > 0 for s in model.segments)
    assert len({s.name for s in model.segments}) == len(model.segments)
    assert np.isfinite([s.centroid for s in model.segments]).all()


def test_the_version_follows_what_scores_and_nothing_else() -> None:
    users = three_types(200)
    version = model_of(users).version
    later = fitted_model(users, Settings(**QUICK), trained_at="2030-01-01T00:00:00+00:00", jobs=1)
    assert later.version == version
    assert model_of(users, k=4).version != version
    assert model_of(users.head(199)).version != version
    assert set(later.libraries) == {"numpy", "scikit-learn"}


def test_importing_the_segments_stage_loads_nothing_heavy() -> None:
    heavy = ["sklearn", "scipy", "joblib", "kneed", "matplotlib"]
    program = f"import sys, amzseg_pipeline.steps.segments; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
