from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.personas import PERSONAS
from amzseg_pipeline.steps.segments import renamed_segments, with_member_names
from amzseg_pipeline.steps.segments.model.member_names import Facts, holds
from amzseg_pipeline.steps.segments.model.scoring import segments_of
from amzseg_pipeline.steps.segments.model.serialization import model_version
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of, with_sums

USERS = three_types(600, unknown=0)
BY_NAME = {persona.name: persona for persona in PERSONAS}
EVERYONE = Facts(
    {"engagement": 2.0, "spend": 100.0, "discount": 40.0, "rating": 4.2},
    {"engagement": 1.0, "spend": 80.0, "discount": 40.0, "rating": 4.0},
)


@cache
def model() -> Model:
    return model_of(USERS, k=3)


def named(names: list[str]) -> Model:
    segments = tuple(replace(s, name=name) for s, name in zip(model().segments, names, strict=True))
    return replace(model(), segments=segments)


def names_of(model: Model) -> list[str]:
    return [segment.name for segment in model.segments]


def test_true_names_stay_and_the_fit_is_that_of_the_members() -> None:
    again = with_member_names(model(), USERS, rating_meaning="user")
    assert names_of(again) == names_of(model()) == ["Deal Seekers", "Casual Buyers", "Premium Loyalists"]
    assert [s.name_fit for s in again.segments] == pytest.approx([s.name_fit for s in model().segments], abs=0.05)
    assert renamed_segments(model(), again) == ()


def test_a_name_that_is_no_longer_true_is_changed_and_the_id_stays() -> None:
    cheap = with_sums(USERS.assign(avg_spend=np.where(USERS["total_reviews"] >= 5, 40.0, USERS["avg_spend"])))
    again = with_member_names(model(), cheap, rating_meaning="user")
    assert [s.segment_id for s in again.segments] == [s.segment_id for s in model().segments]
    assert again.version == model().version == model_version(again.scaling, again.segments)
    ((segment_id, old, new),) = renamed_segments(model(), again)
    assert (segment_id, old) == ("S0003", "Premium Loyalists")
    assert "Premium" not in new


@pytest.mark.parametrize("name", ["Dissatisfied Shoppers", "Delighted One-Timers", "Critical Loyalists"])
def test_ratings_of_products_allow_no_claim_about_satisfaction(name: str) -> None:
    claimed = named([name, "Casual Buyers", "Premium Loyalists"])
    assert name not in names_of(with_member_names(claimed, USERS, rating_meaning="product"))


def test_a_segment_that_no_persona_explains_gets_a_descriptive_name() -> None:
    users = users_of([(1, 5.0, None, None)] * 60 + [(1, 4.0, None, None)] * 30 + [(9, 4.5, None, None)] * 10)
    again = with_member_names(model_of(users, k=3), users, rating_meaning="product")
    assert "Products rated 4.0, one review" in names_of(again)
    assert len(set(names_of(again))) == 3
    assert with_member_names(again, users, rating_meaning="product") == again


def test_every_claim_holds_for_the_members() -> None:
    users = three_types(900, seed=3)
    again = with_member_names(model_of(users, k=6), users, rating_meaning="user")
    assert len(set(names_of(again))) == 6
    scored = nearest_labels(users, again)
    for i, segment in enumerate(again.segments):
        for axis in getattr(BY_NAME.get(segment.name), "claims", ()):
            feature = {"engagement": "total_reviews", "spend": "avg_spend", "discount": "avg_discount"}.get(axis)
            if feature:
                sign = np.sign(getattr(BY_NAME[segment.name], axis))
                assert sign * (users.loc[scored == i, feature].mean() - users[feature].mean()) > 0


def nearest_labels(users: pd.DataFrame, model: Model) -> np.ndarray:
    ids = [segment.segment_id for segment in model.segments]
    return np.array([ids.index(each) for each in segments_of(users, model)])


def facts(**values: tuple[float, float]) -> Facts:
    given = {"engagement": (2.0, 1.0), "spend": (100.0, 80.0), "discount": (40.0, 40.0), "rating": (4.2, 4.0), **values}
    return Facts({k: v[0] for k, v in given.items()}, {k: v[1] for k, v in given.items()})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "members", "expected"),
    [
        ("Premium Loyalists", facts(engagement=(6.0, 5.0), spend=(120.0, 90.0)), True),
        ("Premium Loyalists", facts(engagement=(6.0, 5.0), spend=(120.0, 79.0)), False),
        ("Premium Loyalists", facts(engagement=(6.0, 1.0), spend=(120.0, 90.0)), False),
        ("Premium Loyalists", facts(engagement=(6.0, 5.0), spend=(99.0, 90.0)), False),
        ("Deal Seekers", facts(discount=(46.0, 46.0)), True),
        ("Deal Seekers", facts(discount=(44.0, 46.0)), False),
        ("Critical Loyalists", facts(engagement=(6.0, 5.0), rating=(4.14, 3.9)), False),
        ("Critical Loyalists", facts(engagement=(6.0, 5.0), rating=(3.9, 3.8)), True),
        ("Dissatisfied Shoppers", facts(rating=(3.7, 3.7)), False),
        ("Dissatisfied Shoppers", facts(rating=(2.0, 2.0)), True),
        ("Delighted One-Timers", facts(engagement=(1.0, 1.0), rating=(4.8, 5.0)), True),
        ("Delighted One-Timers", facts(engagement=(2.0, 1.0), rating=(4.8, 5.0)), False),
        ("Premium Deal Hunters", facts(spend=(np.nan, np.nan), discount=(60.0, 60.0)), False),
        ("Casual Buyers", facts(), True),
    ],
)
def test_claims_need_a_stated_difference_in_mean_and_median(name: str, members: Facts, expected: bool) -> None:
    assert holds(BY_NAME[name], members, EVERYONE) is expected
