from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.app.user_scoring import scored_user
from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import errors, heading, opened, prose
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types

USUAL = {"total_reviews": 2, "avg_rating": 4.0, "avg_discount": 64.0, "avg_spend": 500.0, "engagement_score": 8.0}


@cache
def three_type_model() -> Model:
    return model_of(three_types(700), transform="log", k=3)


@pytest.fixture
def model(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location="model.json")


def test_scores_equal_the_published_assignments(snapshot: Snapshot, model: Model) -> None:
    users = snapshot.segment_assignments().sample(150, random_state=3)
    columns = [*FEATURES, *(column.name for column in SCORING_COLUMNS)]
    for row in users.to_dict("records"):
        found = scored_user({name: None if pd.isna(row[name]) else row[name] for name in columns}, model)
        assert (found.segment_id, found.second_segment_id) == (row["segment_id"], row["second_segment_id"])
        assert found.margin == pytest.approx(row["margin"])
        assert (found.reach > 1) == row["is_outlier"]
        gap = (row["distance"] / (1 - row["margin"])) ** 2 - row["distance"] ** 2
        assert sum(found.contributions.values()) == pytest.approx(gap, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "clipped", "is_far"),
    [
        ({}, (), False),
        ({"avg_spend": 1e5, "avg_discount": 35.0}, ("avg_spend",), False),
        ({"total_reviews": 5000, "engagement_score": 20_000.0}, ("engagement_score",), True),
    ],
)
def test_clipped_features_and_outliers_are_reported(
    changes: dict[str, float], clipped: tuple[str, ...], is_far: bool
) -> None:
    found = scored_user({**USUAL, **changes}, three_type_model())
    assert found.clipped == clipped
    assert (found.reach > 1) == is_far


def test_unknown_features_are_reported(model: Model) -> None:
    found = scored_user({**USUAL, "avg_rating": None, "engagement_score": None}, model)
    assert found.imputed == ("avg_rating",)


def test_one_segment_has_no_second_best() -> None:
    one = model_of(three_types(60).head(1))
    found = scored_user(USUAL, one)
    assert (found.second_segment_id, found.margin) == (None, None)
    assert not any(found.contributions.values())


@pytest.mark.parametrize(
    "changes", [{"total_reviews": 0}, {"avg_rating": 7.0}, {"avg_discount": -1.0}, {"avg_spend": np.inf}]
)
def test_values_out_of_range_are_refused(model: Model, changes: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(changes))):
        scored_user({**USUAL, **changes}, model)


def filled_form(session: AppTest, **values: float | None) -> AppTest:
    for key, value in values.items():
        session.number_input(key=key).set_value(value)
    return session.run()


@pytest.fixture(scope="module")
def form(_sample_run: Path) -> Callable[..., AppTest]:
    """Fills the form of one session: the usual values, and those given."""
    usual = {"reviews": 2, "rating": 4.0, "discount": 64.0, "spend": 500.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMZSEG_DATA", str(_sample_run))
        session = opened("score_user")
    return lambda **values: filled_form(session, **{**usual, **values})


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize(
    ("values", "segment"),
    [
        ({"reviews": 2, "rating": 4.0, "discount": 64.0, "spend": 500.0}, "Deal Seekers"),
        ({"reviews": 1, "rating": 4.2, "discount": 15.0, "spend": 1800.0}, "Casual Buyers"),
        ({"reviews": 12, "rating": 4.2, "discount": 35.0, "spend": 6000.0}, "Premium Loyalists"),
        ({"reviews": 12, "rating": None, "discount": None, "spend": None}, "Premium Loyalists"),
    ],
)
def test_the_form_shows_the_segment(form: Callable[..., AppTest], values: dict[str, float], segment: str) -> None:
    session = form(**values)
    assert errors(session) == []
    assert segment in heading(session)
    text = prose(session)
    assert "Margin" in text
    assert "Second best" in text
    assert "What to do" in text
    assert len(session.get("plotly_chart")) == 1


@pytest.mark.usefixtures("sample_data_root")
def test_the_form_starts_with_the_median_user(snapshot: Snapshot) -> None:
    users = snapshot.segment_assignments()
    session = opened("score_user")
    assert session.number_input(key="reviews").value == users["total_reviews"].median()
    assert session.number_input(key="rating").value == round(users["avg_rating"].median(), 1)
    assert errors(session) == []


@pytest.mark.usefixtures("sample_data_root")
def test_engagement_is_derived(form: Callable[..., AppTest]) -> None:
    session = form(reviews=7, rating=3.0)
    assert len(session.number_input) == 4
    assert "reviews × average rating = 21.0" in prose(session)
    assert "= unknown" in prose(filled_form(session, rating=None))


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reviews": 10**9}, "Unlike all users"),
        ({"spend": 1e12}, "Above almost all users"),
        ({"reviews": 10**9, "spend": 1e12, "rating": 1.0, "discount": 100.0}, "Unlike all users"),
        ({"rating": None}, "Unknown, taken as average"),
        ({"reviews": 1}, "There is only one review"),
    ],
)
def test_warnings_for_unusual_users(form: Callable[..., AppTest], values: dict[str, float], message: str) -> None:
    session = form(**values)
    assert errors(session) == []
    assert message in prose(session)


@pytest.mark.usefixtures("sample_data_root")
@pytest.mark.parametrize(
    "values", [{"reviews": -3}, {"rating": 99.0}, {"discount": float("nan")}, {"spend": float("inf")}, {"spend": -1.0}]
)
def test_values_no_browser_sends_show_no_traceback(form: Callable[..., AppTest], values: dict[str, float]) -> None:
    session = form(**values)
    assert not session.exception
    assert "Traceback" not in prose(session)


@pytest.mark.usefixtures("sample_data_root")
def test_unknown_ratings_do_not_contradict_the_engagement_warning(form: Callable[..., AppTest]) -> None:
    text = prose(form(reviews=50, rating=None))
    assert "engagement" not in text.partition("taken as average:")[2].partition("\n")[0]


@pytest.mark.usefixtures("sample_data_root")
def test_entries_survive_a_change_of_page() -> None:
    session = filled_form(opened("score_user"), reviews=12, rating=None, spend=6000.0)
    session.switch_page("app_pages/overview.py").run()
    session.switch_page("app_pages/score_user.py").run()
    assert [session.number_input(key=key).value for key in ("reviews", "rating", "spend")] == [12, None, 6000.0]
