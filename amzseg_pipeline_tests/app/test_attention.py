"""The banner: what needs attention."""

from typing import Any

import pytest

from amzseg_pipeline.app.attention import attention_items

PENDING = {"pending": {"model": {"version": "abc"}, "report": {"reason": "moved_share is 0.2"}}}


@pytest.mark.parametrize(
    ("run", "texts"),
    [
        ({}, []),
        ({"drift": {"warnings": []}, "k": {"confidence": "high"}, "promotion_state": {"pending": None}}, []),
        ({"promotion_state": PENDING}, ["Model abc is pending approval: moved share is 0.2."]),
        ({"drift": {"warnings": ["avg_spend has drifted"]}}, ["Avg_spend has drifted."]),
        ({"k": {"confidence": "low"}}, ["does not support this number of segments"]),
        ({"promotion_state": PENDING, "k": {"confidence": "low"}}, ["pending approval", "number of segments"]),
    ],
)
def test_every_problem_has_advice(run: dict[str, Any], texts: list[str]) -> None:
    items = attention_items(run)
    assert len(items) == len(texts)
    for (problem, advice), text in zip(items, texts, strict=True):
        assert text in problem
        assert advice
