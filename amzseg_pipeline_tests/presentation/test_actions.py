"""Actions of strategies."""

import re

import pytest

from amzseg_pipeline.contracts.personas import PERSONAS
from amzseg_pipeline.presentation.actions import ACTIONS, actions

TIME_CLAIMS = re.compile(r"\b(often|regular|regularly|frequent|return|come back|rarely|wait|again)\b")


@pytest.mark.parametrize("persona", PERSONAS, ids=lambda persona: persona.name)
def test_every_action_of_a_persona_has_a_reason(persona) -> None:
    found = actions(persona.strategy)
    assert len(found) >= 2
    assert all(action.reason for action in found)
    assert len({action.text for action in found}) == len(found)


def test_every_action_belongs_to_a_persona() -> None:
    used = {item.strip() for persona in PERSONAS for item in persona.strategy.split(",")}
    assert set(ACTIONS) == used


@pytest.mark.parametrize("item", ACTIONS)
def test_reasons_claim_nothing_about_time(item: str) -> None:
    # Personas are made of counts and means; not every export has dates.
    assert not TIME_CLAIMS.search(ACTIONS[item].reason)
