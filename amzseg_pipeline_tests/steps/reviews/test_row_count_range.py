"""About as many reviews as last time pass, and the words say what to do where they do not."""

import pytest

from amzseg_pipeline.steps.reviews import RowCountRange


@pytest.mark.parametrize(
    ("cleaned", "last", "kept"),
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
def test_half_to_twice_as_many_pass(cleaned, last, kept):
    assert RowCountRange(cleaned, last, 0.5, 2.0).kept is kept


@pytest.mark.parametrize(
    ("cleaned", "words"),
    [
        (1_000, "1,000 cleaned reviews after 1,001 in the last snapshot; 501 to 2,002 pass"),
        (500, "run once by hand with another min_rows_share"),
        (2_003, "run once by hand with another max_rows_share"),
    ],
)
def test_the_words_name_the_counts_and_the_way_out(cleaned, words):
    assert words in RowCountRange(cleaned, 1_001, 0.5, 2.0).sentence


def test_other_shares_are_another_band():
    assert RowCountRange(1, 1_000, 0.0, 2.0).kept
    assert RowCountRange(10_000, 1_000, 0.5, 10.0).kept
