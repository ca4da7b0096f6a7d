import itertools

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.steps.segments import training_sample
from amzseg_pipeline.steps.segments.features.sampling import strata, weighted_sample
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.segments.users import three_types


def sample_of(frame: pd.DataFrame, users: int, engine: str = "pandas") -> list[str]:
    native = ENGINES[engine](pa.Table.from_pandas(frame, preserve_index=False))
    return list(training_sample(nw.from_native(native).lazy(), users=users).collect("pandas").to_native()["user_id"])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_smallest_hashes_are_taken_and_sorted_by_user(engine: str) -> None:
    frame = three_types(200)
    expected = sorted(frame.sort_values("user_hash").head(50)["user_id"])
    assert sample_of(frame, 50, engine) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_rows_does_not_matter_even_among_equal_hashes(engine: str) -> None:
    frame = three_types(60).assign(user_hash=np.arange(60) // 7)
    shuffled = frame.sample(frac=1, random_state=1)
    assert sample_of(shuffled, 30, engine) == sample_of(frame, 30, engine)


def test_all_users_are_taken_when_there_are_fewer() -> None:
    assert len(sample_of(three_types(20), 1000)) == 20


def test_a_user_stays_in_the_sample_when_others_leave() -> None:
    frame = three_types(200)
    sampled = set(sample_of(frame, 50))
    remaining = frame[frame["user_id"].isin(sampled) | (np.arange(200) % 2 == 0)]
    assert set(sample_of(remaining, 50)) == sampled


SIZES = {"1": 7_000, "2": 2_000, "3-5": 900, "6+": 100}


def scaled_users(sizes: dict[str, int]) -> pd.DataFrame:
    """Rows as of scaled_features, hashes in no order."""
    stratum = [name for name, size in sizes.items() for _ in range(size)]
    hashes = np.random.default_rng(1).permutation(len(stratum))
    users = pd.DataFrame({"user_id": [f"{i:06d}" for i in range(len(stratum))], "user_hash": hashes})
    return users.assign(stratum=stratum)


@pytest.mark.parametrize(
    ("users", "taken"),
    [
        (10_000, SIZES),
        (20_000, SIZES),
        (2_000, {"1": 1_343, "2": 383, "3-5": 172, "6+": 100}),
        (1_000, {"1": 671, "2": 191, "3-5": 86, "6+": 50}),
        (20, {"1": 13, "2": 3, "3-5": 1, "6+": 1}),
    ],
)
def test_strata_get_a_minimum_share_and_the_rest_in_proportion(users: int, taken: dict[str, int]) -> None:
    sample = weighted_sample(scaled_users(SIZES), users=users)
    assert sample["stratum"].value_counts().to_dict() == taken
    assert len(sample) <= users
    assert sample.groupby("stratum")["weight"].sum().to_dict() == pytest.approx({k: float(v) for k, v in SIZES.items()})


def test_strata_are_sampled_by_smallest_hash_in_any_row_order() -> None:
    users = scaled_users(SIZES)
    sample = weighted_sample(users, users=500)
    for _, own in users.groupby("stratum"):
        taken = own["user_id"].isin(sample["user_id"])
        assert own.loc[taken, "user_hash"].max() < own.loc[~taken, "user_hash"].min()
    pd.testing.assert_frame_equal(weighted_sample(users.sample(frac=1, random_state=2), users=500), sample)
    assert sample["user_id"].is_monotonic_increasing


def test_samples_are_nested() -> None:
    users = scaled_users(SIZES)
    samples = [set(weighted_sample(users, users=n)["user_id"]) for n in (40, 200, 1_000, 5_000, 10_000)]
    assert all(small < large for small, large in itertools.pairwise(samples))


def test_users_that_all_fit_weigh_one_each() -> None:
    assert set(weighted_sample(scaled_users({"1": 5, "6+": 2}), users=10)["weight"]) == {1.0}


@pytest.mark.parametrize(("reviews", "stratum"), [(1, "1"), (2, "2"), (3, "3-5"), (5, "3-5"), (6, "6+"), (10**9, "6+")])
def test_strata_are_of_total_reviews(reviews: int, stratum: str) -> None:
    assert strata(pd.Series([reviews])) == [stratum]
