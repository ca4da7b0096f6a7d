"""Plots of the users stage: their form, missing data, engines. test_user_captions checks their numbers."""

from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.users import FEATURES, USER_FEATURES
from amzseg_pipeline.steps.figures.gallery import NotApplicable, Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.figures.users import DRAWINGS, UserData, user_data
from amzseg_pipeline_tests.frames import ENGINES, frame
from amzseg_pipeline_tests.steps.figures.synthetic import assert_presentable
from amzseg_pipeline_tests.steps.segments.users import three_types, users_of

USERS = three_types(800)


def data_of(
    users: pd.DataFrame, *, engine: str = "duckdb", max_users: int = 20_000, transform: str = "log"
) -> UserData:
    table = frame(USER_FEATURES, rows(users), engine=engine)
    return user_data(table, transform=transform, currency="INR", max_users=max_users)


def rows(table: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(table, preserve_index=False).to_pylist()


@cache
def complete_data() -> UserData:
    return data_of(USERS)


def drawn(name: str, data: UserData | None = None) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data or complete_data())
    assert isinstance(plot, Plot), plot
    return plot


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_plot_is_presentable(name):
    assert_presentable(drawn(name))


def test_captions_name_a_sample():
    sampled = data_of(USERS, max_users=100)
    assert drawn("feature_correlations", sampled).caption.startswith("Sample of 100 users. Features with")
    assert drawn("scaling_of_avg_spend", sampled).caption.startswith("Sample of 100 users. The skewness")


def test_feature_without_values_is_skipped_with_the_reason():
    data = data_of(users_of([(1 + i % 3, 4.0 + i % 2, None, 100.0 + i) for i in range(50)]))
    skipped = DRAWINGS["scaling_of_avg_discount"](data)
    assert skipped == NotApplicable("mean discount is not used for clustering: no user has a value")


@pytest.mark.parametrize(
    ("transform", "feature", "treatment"),
    [
        ("none", "avg_spend", "after scaling"),
        ("log", "total_reviews", "after log2 and scaling"),
        ("log", "avg_rating", "after shrinking and scaling"),
        ("log", "avg_spend", "after log1p, shrinking, clipping and scaling"),
    ],
)
def test_scaling_plot_names_the_treatment(transform, feature, treatment):
    plot = drawn(f"scaling_of_{feature}", data_of(USERS, transform=transform))
    assert plot.figure.axes[1].get_title().replace("\n", " ") == treatment


def test_users_with_one_review_each_skip_the_plot():
    data = data_of(users_of([(1, 4.0, 10.0 + i, 100.0 + i) for i in range(50)]))
    assert DRAWINGS["reviews_per_user"](data) == NotApplicable("all users have 1 review")


def test_users_with_several_reviews_are_described_by_the_median():
    plot = drawn("reviews_per_user", data_of(users_of([(5 + i % 4, 4.0 + i % 2, 10.0, 100.0 + i) for i in range(60)])))
    assert plot.title == "Half of all users wrote 6 reviews or more"
    assert plot.caption.startswith("Every user wrote 5 reviews or more, and no user more than 8: most users have")


def test_identical_users_have_no_correlations():
    data = data_of(users_of([(1, 4.0, 10.0, 100.0)] * 20))
    assert DRAWINGS["feature_correlations"](data) == NotApplicable("fewer than three features differ between users")


def test_before_and_after_show_the_same_users_on_every_engine():
    wanted = USERS.sort_values(["user_hash", "user_id"]).head(50).sort_values("user_id")
    for engine in ENGINES:
        data = data_of(USERS, engine=engine, max_users=50, transform="none")
        assert data.note == "50 of 800 users"
        expected = wanted[list(FEATURES)].astype(float)
        np.testing.assert_allclose(data.features.to_numpy(float), expected.to_numpy(float))
        filled = expected.fillna(expected.mean())
        plain = (filled - filled.mean()) / filled.std(ddof=0)
        np.testing.assert_allclose(data.scaled[list(FEATURES)].to_numpy(float), plain.to_numpy(float), atol=1e-9)
