"""Segments and strategies as text."""

import pytest

from amzseg_pipeline.contracts.personas import PERSONAS
from amzseg_pipeline.presentation.actions import actions, actions_markdown
from amzseg_pipeline.presentation.segment_texts import (
    confidence,
    k_confidence_text,
    strongest_differences,
    typical_user,
    with_coverage,
)

MEANS = {"total_reviews": 1.2, "avg_rating": 4.2, "avg_discount": 40.0, "avg_spend": 12_299.0, "engagement_score": 5.0}
ALL = {"total_reviews": 1.3, "avg_rating": 4.0, "avg_discount": 45.0, "avg_spend": 1_532.0, "engagement_score": 5.2}


@pytest.mark.parametrize(
    ("margin", "level"), [(None, "Only segment"), (0.05, "Low"), (0.1, "Medium"), (0.3, "High"), (1.0, "High")]
)
def test_confidence_levels(margin, level):
    assert confidence(margin).level == level


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"confidence": "high"}, "high confidence: other users of the same source would give these segments again"),
        ({"confidence": "medium", "passing": (4,)}, "medium confidence: "),
        ({"confidence": "high", "passing": [3, 4, 5]}, "the data supports 3 to 5 segments"),
        ({"confidence": "high", "passing": [3, 5]}, "the data supports 3, 5 segments"),
        ({"confidence": "low", "passing": ()}, "low confidence: users do not fall into clear groups"),
    ],
)
def test_the_confidence_of_the_number_of_segments_is_stated(choice, text):
    assert text in k_confidence_text(choice)


def test_differences_are_sorted_and_in_raw_units():
    standardized = {"avg_spend": 2.0, "avg_discount": -0.4, "avg_rating": 0.1}
    assert strongest_differences(standardized, MEANS, ALL, currency="INR") == [
        "pay more for an item (₹12,299 on average, all users ₹1,532)",
        "buy at smaller discounts (40.0% on average, all users 45.0%)",
    ]


def test_differences_that_raw_means_contradict_are_left_out():
    standardized = {"avg_spend": -2.0, "avg_rating": 0.1}
    assert strongest_differences(standardized, MEANS, ALL, currency=None)[0].startswith("rate higher")


def test_reviews_and_engagement_count_as_one_trait():
    standardized = {"total_reviews": -2.0, "engagement_score": -1.9, "avg_rating": 0.3}
    found = strongest_differences(standardized, MEANS, ALL, currency=None)
    assert [text.split(" (")[0] for text in found] == ["write fewer reviews", "rate higher"]


def test_means_of_few_users_are_marked():
    assert with_coverage("₹2,427 an item", 0.31) == "₹2,427 an item (known for 31%)"
    assert with_coverage("₹2,427 an item", 0.9) == "₹2,427 an item"
    coverage = {"avg_rating": 1.0, "avg_discount": 1.0, "avg_spend": 0.31}
    text = typical_user(MEANS, "INR", coverage).replace("\N{NO-BREAK SPACE}", " ")
    assert text == "1.2 reviews · 4.2 ★ · 40.0% off · ₹12,299 an item (known for 31%)"


def test_every_strategy_has_actions_with_a_reason():
    for persona in PERSONAS:
        for action in actions(persona.strategy):
            assert action.reason, f"{persona.name}: {action.text}"


def test_unknown_items_become_actions_without_a_reason():
    assert actions_markdown("coupons, new idea") == ("- Send coupons (email): they choose discounted items\n- New idea")
