"""The figures of the notebook this pipeline starts from, on the groups it makes of the real export.

Its groups are lists of reviewers, not users: good for checking arithmetic, wrong for segments.
"""

import os
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments import fitted_model, scored_users
from amzseg_pipeline.steps.segments.features.scaling import feature_scaling, scaled_matrix
from amzseg_pipeline_tests.steps.segments.users import TRAINED_AT

pytestmark = pytest.mark.real_data

PLAIN = {"transform": "none", "prediction_splits": 2, "jaccard_bootstraps": 2}
PUBLISHED = {
    "Deal Seekers": (652, 1.084356, 3.972239, 59.717791, 1162.124333, 4.319018),
    "Casual Buyers": (471, 1.042463, 4.230149, 27.286624, 4475.371189, 4.411040),
    "Premium Loyalists": (69, 3.840580, 4.155072, 51.928209, 5328.534592, 15.940580),
}
INERTIAS = (4266.5, 3365.8, 2659.6, 2147.7, 1804.2, 1644.6, 1495.5, 1350.3, 1227.4)
SILHOUETTES = (0.6069, 0.2917, 0.3024, 0.3181, 0.3265, 0.3158, 0.2859, 0.2964, 0.3024)


@pytest.fixture(scope="module")
def groups() -> pd.DataFrame:
    folder = os.environ.get("AMZSEG_REAL_DATA")
    if not folder or not (Path(folder) / "amazon.csv").exists():
        pytest.skip("AMZSEG_REAL_DATA names no folder that holds amazon.csv")
    export = pd.read_csv(Path(folder) / "amazon.csv", dtype=str, keep_default_na=False)
    export = export[export["rating_count"] != ""]
    number = {c: export[c].str.replace("[₹,%]", "", regex=True) for c in ("discounted_price", "discount_percentage")}
    rating = pd.to_numeric(export["rating"], errors="coerce")
    return (
        export.assign(
            avg_rating=rating.fillna(rating.median()),
            avg_discount=number["discount_percentage"].astype(float),
            avg_spend=number["discounted_price"].astype(float),
        )
        .groupby("user_id")
        .agg(total_reviews=("review_id", "count"), **{c: (c, "mean") for c in FEATURES[1:4]})
        .assign(engagement_score=lambda g: g["total_reviews"] * g["avg_rating"], user_hash=0)
        .reset_index()
    )


def test_three_segments_have_the_published_sizes_means_and_names(groups: pd.DataFrame) -> None:
    assert len(groups) == 1192
    model = fitted_model(groups, Settings(k=3, **PLAIN), trained_at=TRAINED_AT, jobs=1)
    scored = scored_users(groups, model, as_of=date(2024, 1, 1))
    assert [s.name for s in model.segments] == list(PUBLISHED)
    assert [s.training_users for s in model.segments] == [652, 471, 69]
    for name, (size, *means) in PUBLISHED.items():
        own = scored[scored["segment_name"] == name]
        assert len(own) == size
        assert own[list(FEATURES)].astype(float).mean().tolist() == pytest.approx(means, abs=1e-6)


def test_inertias_and_silhouettes_are_those_measured(groups: pd.DataFrame) -> None:
    model = fitted_model(groups, Settings(k_min=2, k_max=10, **PLAIN), trained_at=TRAINED_AT, jobs=1)
    evidence = {e.k: e for e in model.choice.evidence}
    assert [round(evidence[k].inertia, 1) for k in range(2, 11)] == list(INERTIAS)
    assert [round(evidence[k].silhouette or 0, 4) for k in range(2, 11)] == list(SILHOUETTES)
    assert evidence[1].inertia == pytest.approx(5 * 1192, rel=1e-12)


def test_names_are_unique_for_two_to_ten_segments(groups: pd.DataFrame) -> None:
    for k in range(2, 11):
        model = fitted_model(groups, Settings(k=k, n_init=1, **PLAIN), trained_at=TRAINED_AT, jobs=1)
        names = {segment.name for segment in model.segments}
        assert len(names) == k
        assert k <= 3 or names >= set(PUBLISHED)


def test_scaling_is_the_standard_scalers(groups: pd.DataFrame) -> None:
    from sklearn.preprocessing import StandardScaler

    theirs = StandardScaler().fit_transform(groups[list(FEATURES)].to_numpy(float))
    assert np.abs(scaled_matrix(groups, feature_scaling(groups, transform="none")) - theirs).max() < 1e-12
