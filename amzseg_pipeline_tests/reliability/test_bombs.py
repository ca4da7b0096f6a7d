"""Small files that expand far beyond the limits are refused in bounded memory."""

import json
from pathlib import Path

import pytest

from amzseg_pipeline_tests.reliability.bombs import BOMBS, LINE, MAX_ADDED_MIB, Bomb, defused


@pytest.mark.parametrize("bomb", BOMBS, ids=str)
def test_rejects_a_bomb_in_bounded_memory(tmp_path: Path, bomb: Bomb) -> None:
    read = defused(tmp_path, bomb)
    assert read.unpacked_bytes > 50 * read.packed_bytes
    assert f"{bomb.name}: " in read.said
    assert bomb.message in read.said
    assert read.added_mib < MAX_ADDED_MIB


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS, ids=str)
def test_an_uploaded_bomb_is_refused_in_bounded_memory(tmp_path: Path, bomb: Bomb) -> None:
    read = defused(tmp_path, bomb, "app")
    assert read.said != "read"
    assert read.added_mib < MAX_ADDED_MIB


def test_the_json_bomb_contains_reviews() -> None:
    assert json.loads(LINE)["rating"] == 5
