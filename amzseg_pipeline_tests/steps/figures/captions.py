"""Data sets of users, and the assertion that every number of a title and caption was recomputed."""

import re
from collections.abc import Callable
from functools import cache

import pandas as pd

from amzseg_pipeline.presentation.formatting import money
from amzseg_pipeline.steps.figures.gallery import Plot
from amzseg_pipeline_tests.steps.segments.users import three_types, users_of

Fragments = list[str]
"""Parts of a title or caption that contain its numbers."""


def rupees(amount: float) -> str:
    return money(amount, "INR")


def assert_all_numbers(plot: Plot, fragments: Fragments) -> None:
    """Asserts that each fragment occurs, and that no number is left without them."""
    text = rest = f"{plot.title} | {plot.caption}"
    for fragment in sorted(fragments, key=len, reverse=True):
        assert fragment in text, f"{fragment!r} is not in {text!r}"
        rest = rest.replace(fragment, "")
    assert not re.search(r"\d", rest), rest


USERS: dict[str, Callable[[], pd.DataFrame]] = {
    "three types": lambda: three_types(400),
    "few unknown values": lambda: three_types(300, seed=1, unknown=0),
    "many unknown values": lambda: three_types(300, seed=2, unknown=0.4),
    "several reviews each": lambda: users_of([(5 + i % 4, 3.0 + i % 3, 10.0 + i % 7, 100.0 + i) for i in range(200)]),
    "heavy tail": lambda: users_of([(1 + 400 // (i + 1), 3.0 + i % 3, i % 60, 10.0 * (i + 1)) for i in range(250)]),
}


@cache
def users_named(name: str) -> pd.DataFrame:
    return USERS[name]()
