import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.steps.segments import training_sample
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.segments.users import three_kinds


def sample_of(frame: pd.DataFrame, users: int, engine: str = "pandas") -> list[str]:
    native = ENGINES[engine](pa.Table.from_pandas(frame, preserve_index=False))
    return list(training_sample(nw.from_native(native).lazy(), users=users).collect("pandas").to_native()["user_id"])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_smallest_hashes_are_taken_and_sorted_by_user(engine: str) -> None:
    frame = three_kinds(200)
    expected = sorted(frame.sort_values("user_hash").head(50)["user_id"])
    assert sample_of(frame, 50, engine) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_the_order_of_rows_does_not_matter_even_among_equal_hashes(engine: str) -> None:
    frame = three_kinds(60).assign(user_hash=np.arange(60) // 7)
    shuffled = frame.sample(frac=1, random_state=1)
    assert sample_of(shuffled, 30, engine) == sample_of(frame, 30, engine)


def test_all_users_are_taken_when_there_are_fewer() -> None:
    assert len(sample_of(three_kinds(20), 1000)) == 20


def test_a_user_stays_in_the_sample_when_others_leave() -> None:
    frame = three_kinds(200)
    sampled = set(sample_of(frame, 50))
    remaining = frame[frame["user_id"].isin(sampled) | (np.arange(200) % 2 == 0)]
    assert set(sample_of(remaining, 50)) == sampled
