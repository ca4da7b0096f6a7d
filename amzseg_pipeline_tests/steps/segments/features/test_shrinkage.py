from fractions import Fraction

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.model import Shrinkage
from amzseg_pipeline.steps.segments.features.shrinkage import MOMENT_COLUMNS, shrinkages
from amzseg_pipeline_tests.frames import ENGINES


def moments(ratings: list[list[int]]) -> pd.DataFrame:
    """Users with these ratings in tenths of a star, and with the same numbers as discounts and thousandths of logs."""
    columns: dict[str, list[int]] = {}
    for count, total, squares, _ in MOMENT_COLUMNS.values():
        columns[count] = [len(user) for user in ratings]
        columns[total] = [sum(user) for user in ratings]
        columns[squares] = [sum(value * value for value in user) for user in ratings]
    return pd.DataFrame(columns).astype("int64")


def shrunk(users: pd.DataFrame, engine: str = "pandas") -> dict[str, Shrinkage]:
    return shrinkages(nw.from_native(ENGINES[engine](pa.Table.from_pandas(users, preserve_index=False))).lazy())


def by_anova(ratings: list[list[int]]) -> float:
    """Within-variance over between-variance, by the text-book formulas on the values themselves."""
    users = [np.array(user, dtype=float) for user in ratings if user]
    n = np.array([len(user) for user in users])
    total, mean = n.sum(), np.concatenate(users).mean()
    within = sum(((user - user.mean()) ** 2).sum() for user in users) / (total - len(users))
    between = sum(len(user) * (user.mean() - mean) ** 2 for user in users) / (len(users) - 1)
    usual = (total - (n**2).sum() / total) / (len(users) - 1)
    return float(within / ((between - within) / usual))


def test_the_prior_weight_follows_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(4)
    levels = rng.normal(38, 5, 400)
    ratings = [rng.normal(level, 8, rng.integers(0, 9)).round().astype(int).tolist() for level in levels]
    found = shrunk(moments(ratings))
    values = [value for user in ratings for value in user]
    for name, per_unit in (("avg_rating", 10), ("avg_discount", 100), ("avg_spend", 1000)):
        assert found[name].mean == pytest.approx(np.mean(values) / per_unit, rel=1e-12)
        assert found[name].reviews == pytest.approx(by_anova(ratings), rel=1e-4)
    assert found["avg_rating"].reviews == pytest.approx(8**2 / 5**2, rel=0.3)


def test_shrunk_means_of_one_review_are_nearer_the_truth() -> None:
    rng = np.random.default_rng(7)
    levels = rng.normal(35, 4, 3_000)
    ratings = [rng.normal(level, 10, rng.choice([1, 1, 1, 2, 6])).round().astype(int).tolist() for level in levels]
    prior = shrunk(moments(ratings))["avg_rating"]
    first, n = np.array([np.mean(user) for user in ratings]) / 10, np.array([len(user) for user in ratings])
    drawn = (prior.reviews * prior.mean + n * first) / (prior.reviews + n)
    one = n == 1
    raw_error, error = (np.sqrt(np.mean((found - levels / 10)[one] ** 2)) for found in (first, drawn))
    assert error < 0.5 * raw_error


@pytest.mark.parametrize(
    ("ratings", "reviews"),
    [
        ([[40]], 5.0),
        ([[40], [30], [20]], 5.0),
        ([[40, 30]], 5.0),
        ([[40, 40], [40, 40]], 5.0),
        ([[40, 40], [30, 30], []], 0.1),
        ([[10, 50], [50, 10], [10, 50]], 50.0),
        ([[40, 41], [30, 30]], 0.1),
    ],
    ids=[
        "one review",
        "no one has two",
        "one user",
        "no variance",
        "no one varies",
        "no variance between users",
        "hardly anyone varies",
    ],
)
def test_the_prior_weight_has_a_default_and_bounds(ratings: list[list[int]], reviews: float) -> None:
    assert {each.reviews for each in shrunk(moments(ratings)).values()} == {reviews}


def test_what_no_user_has_is_not_shrunk() -> None:
    users = moments([[40, 30], [20]]).assign(discounted_reviews=0, discount_bp_sum=0, discount_square_sum=0)
    assert set(shrunk(users)) == {"avg_rating", "avg_spend"}
    assert shrunk(moments([[], []])) == {}


@pytest.mark.parametrize("engine", ENGINES)
def test_neither_engine_nor_order_changes_a_bit(engine: str) -> None:
    rng = np.random.default_rng(3)
    users = moments([rng.integers(0, 10**4, n).tolist() for n in rng.integers(0, 9, 200)])
    assert shrunk(users.sample(frac=1, random_state=5), engine) == shrunk(users, "polars")


def test_sums_of_a_thousand_million_reviews_of_one_user_are_exact() -> None:
    users = moments([[9_999] * 3, [1] * 2])
    for count, total, squares, _ in MOMENT_COLUMNS.values():
        users.loc[0, [count, total, squares]] = [10**9, 10**13 - 1, 10**17]
    assert shrunk(users)["avg_discount"].mean == float(Fraction(10**13 + 1, 100 * (10**9 + 2)))
