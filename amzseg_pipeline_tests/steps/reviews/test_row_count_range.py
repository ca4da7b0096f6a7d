"""The accepted range of the number of cleaned reviews, and the fix it names."""

import pytest

from amzseg_pipeline.steps.reviews import RowCountRange


@pytest.mark.parametrize(
    ("cleaned", "previous", "is_in_range"),
    [
        (100, 100, True),
        (50, 100, True),
        (49, 100, False),
        (200, 100, True),
        (201, 100, False),
        (2, 3, True),
        (1, 3, False),
        (6, 3, True),
        (0, 100, False),
        (1, 0, False),
        (0, None, True),
        (10**9, None, True),
    ],
)
def test_half_to_twice_as_many_are_in_range(cleaned, previous, is_in_range):
    assert RowCountRange(cleaned, previous, 0.5, 2.0).contains_count is is_in_range


@pytest.mark.parametrize(
    ("cleaned", "message"),
    [
        (1_000, "1,000 cleaned reviews, 1,001 in the previous snapshot; accepted range 501 to 2,002"),
        (500, "run once with another min_rows_share"),
        (2_003, "run once with another max_rows_share"),
    ],
)
def test_summary_names_the_counts_and_the_fix(cleaned, message):
    assert message in RowCountRange(cleaned, 1_001, 0.5, 2.0).summary


def test_shares_are_settings():
    assert RowCountRange(1, 1_000, 0.0, 2.0).contains_count
    assert RowCountRange(10_000, 1_000, 0.5, 10.0).contains_count
