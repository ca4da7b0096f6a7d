import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from amzseg_pipeline.app.user_scoring import verdict
from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.steps.segments import model_from_document
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline_tests.app.pages import errors, opened, prose
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types

USUAL = {"total_reviews": 2, "avg_rating": 4.0, "avg_discount": 64.0, "avg_spend": 500.0, "engagement_score": 8.0}


@pytest.fixture
def model(snapshot: Snapshot) -> Model:
    return model_from_document(snapshot.model_document(), location="model.json")


def test_published_users_get_the_segment_they_were_published_with(snapshot: Snapshot, model: Model) -> None:
    everyone = snapshot.segment_assignments().sample(150, random_state=3)
    columns = [*FEATURES, *(column.name for column in SCORING_COLUMNS)]
    for row in everyone.to_dict("records"):
        found = verdict({name: None if pd.isna(row[name]) else row[name] for name in columns}, model)
        assert (found.segment_id, found.second_id) == (row["segment_id"], row["second_segment_id"])
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
def test_what_lies_beyond_the_model_is_told(changes: dict[str, float], clipped: tuple[str, ...], is_far: bool) -> None:
    model = model_of(three_types(700), transform="log", k=3)
    found = verdict({**USUAL, **changes}, model)
    assert found.clipped == clipped
    assert (found.reach > 1) == is_far


def test_features_that_are_not_known_are_named(model: Model) -> None:
    found = verdict({**USUAL, "avg_rating": None, "engagement_score": None}, model)
    assert found.unknown == ("avg_rating", "engagement_score")


def test_one_segment_has_no_second_and_decides_nothing() -> None:
    one = model_of(three_types(60).head(1))
    found = verdict(USUAL, one)
    assert (found.second_id, found.margin) == (None, None)
    assert not any(found.contributions.values())


@pytest.mark.parametrize(
    "changes", [{"total_reviews": 0}, {"avg_rating": 7.0}, {"avg_discount": -1.0}, {"avg_spend": np.inf}]
)
def test_a_value_out_of_its_range_is_refused_in_words(model: Model, changes: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(changes))):
        verdict({**USUAL, **changes}, model)


def asked(session: AppTest, **values: float | None) -> AppTest:
    for key, value in values.items():
        session.number_input(key=key).set_value(value)
    return session.run()


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize(
    ("values", "segment"),
    [
        ({"reviews": 2, "rating": 4.0, "discount": 64.0, "spend": 500.0}, "Deal Seekers"),
        ({"reviews": 1, "rating": 4.2, "discount": 15.0, "spend": 1800.0}, "Casual Buyers"),
        ({"reviews": 12, "rating": 4.2, "discount": 35.0, "spend": 6000.0}, "Premium Loyalists"),
        ({"reviews": 12, "rating": None, "discount": None, "spend": None}, "Premium Loyalists"),
    ],
)
def test_a_described_user_is_answered_at_once(values: dict[str, float | None], segment: str) -> None:
    session = asked(opened("score_user"), **values)
    assert errors(session) == []
    heading = next(element.value for element in session.html if "<h2" in element.value)
    assert segment in heading
    text = prose(session)
    assert "Margin" in text
    assert "Second best" in text
    assert "What to do" in text
    assert len(session.get("plotly_chart")) == 1


@pytest.mark.usefixtures("shown_home")
def test_it_starts_as_the_median_user(snapshot: Snapshot) -> None:
    everyone = snapshot.segment_assignments()
    session = opened("score_user")
    assert session.number_input(key="reviews").value == everyone["total_reviews"].median()
    assert session.number_input(key="rating").value == round(everyone["avg_rating"].median(), 1)
    assert errors(session) == []


@pytest.mark.usefixtures("shown_home")
def test_engagement_is_derived_and_not_asked() -> None:
    session = asked(opened("score_user"), reviews=7, rating=3.0)
    assert len(session.number_input) == 4
    assert "reviews × average rating = 21.0" in prose(session)
    assert "= unknown" in prose(asked(session, rating=None))


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reviews": 10**9}, "Unlike anyone"),
        ({"spend": 1e12}, "Above almost everyone"),
        ({"reviews": 10**9, "spend": 1e12, "rating": 1.0, "discount": 100.0}, "Unlike anyone"),
        ({"rating": None}, "Not known"),
        ({"reviews": 1}, "One review only"),
    ],
)
def test_a_user_unlike_those_the_model_saw_is_warned_of(values: dict[str, float | None], words: str) -> None:
    session = asked(opened("score_user"), **values)
    assert errors(session) == []
    assert words in prose(session)


@pytest.mark.usefixtures("shown_home")
@pytest.mark.parametrize(
    "values", [{"reviews": -3}, {"rating": 99.0}, {"discount": float("nan")}, {"spend": float("inf")}, {"spend": -1.0}]
)
def test_values_that_a_browser_would_not_send_show_no_trace(values: dict[str, float]) -> None:
    session = asked(opened("score_user"), **values)
    assert not session.exception
    assert "Traceback" not in prose(session)
