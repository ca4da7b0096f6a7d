from datetime import date
from functools import cache

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.segments import SEGMENT_PROFILES
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments import profile_counts, scored_users, segment_profiles
from amzseg_pipeline_tests.frames import ENGINES
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types

USERS = three_types(900, unknown=0.05)
SPLITS = ((0, 5), (5, 5), (5, 900))


@cache
def model() -> Model:
    return model_of(USERS, k=4)


@cache
def users_scored() -> pd.DataFrame:
    return scored_users(USERS, model(), as_of=date(2024, 1, 1))


def profiles_of(scored: pd.DataFrame, engine: str = "pandas") -> pd.DataFrame:
    native = ENGINES[engine](pa.Table.from_pandas(scored, preserve_index=False))
    return segment_profiles([profile_counts(nw.from_native(native).lazy())], model())


@pytest.mark.parametrize("engine", ENGINES)
def test_profiles_are_the_sizes_and_means_of_the_segments(engine: str) -> None:
    profiles = profiles_of(users_scored(), engine)
    grouped = users_scored().groupby("segment_id")
    assert tuple(profiles.columns) == SEGMENT_PROFILES.column_names
    assert profiles["segment_id"].tolist() == [s.segment_id for s in model().segments]
    assert profiles["segment_name"].tolist() == [s.name for s in model().segments]
    assert profiles["users"].tolist() == grouped.size().tolist()
    assert profiles["share"].tolist() == [n / 900 for n in profiles["users"]]
    for name in FEATURES:
        assert profiles[name].tolist() == pytest.approx(grouped[name].mean().tolist(), abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(3))
def test_neither_engine_nor_order_nor_split_changes_a_bit(engine: str, seed: int) -> None:
    shuffled = users_scored().sample(frac=1, random_state=seed)
    parts = [nw.from_native(ENGINES[engine](pa.Table.from_pandas(shuffled[a:b]))).lazy() for a, b in SPLITS]
    for profiles in (
        profiles_of(shuffled, engine),
        segment_profiles([profile_counts(part) for part in parts], model()),
    ):
        pd.testing.assert_frame_equal(profiles, profiles_of(users_scored()), check_exact=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_segment_has_null_means(engine: str) -> None:
    profiles = profiles_of(users_scored()[users_scored()["segment_id"] != "S0002"], engine).set_index("segment_id")
    empty = profiles.loc["S0002"]
    assert (empty["users"], empty["share"], empty["segment_name"]) == (0, 0.0, model().segments[1].name)
    assert empty[list(FEATURES)].isna().all()
    assert profiles["users"].sum() == (users_scored()["segment_id"] != "S0002").sum()


@pytest.mark.parametrize("engine", ENGINES)
def test_without_users_every_segment_has_share_zero(engine: str) -> None:
    profiles = profiles_of(users_scored().head(0), engine)
    assert profiles["users"].tolist() == [0] * 4
    assert profiles["share"].tolist() == [0.0] * 4


@pytest.mark.parametrize("engine", ENGINES)
def test_a_mean_of_no_known_values_is_null(engine: str) -> None:
    profiles = profiles_of(users_scored().assign(avg_discount=pd.array([None] * 900, dtype="double[pyarrow]")), engine)
    assert profiles["avg_discount"].isna().all()
    assert not profiles["avg_spend"].isna().any()


@pytest.mark.parametrize("value", [4.1, 0.07, 139900.0, 1 / 3])
def test_the_mean_of_equal_values_is_that_value_to_nine_decimals(value: float) -> None:
    profiles = profiles_of(users_scored().assign(avg_spend=np.full(900, value)))
    assert profiles["avg_spend"].tolist() == [round(value, 9)] * 4


def test_sums_beyond_what_a_float_holds_exactly_stay_exact() -> None:
    spend = np.where(np.arange(900) % 2 == 0, 9e12, 0.000000001)
    profiles = profiles_of(users_scored().assign(avg_spend=spend, segment_id="S0001"))
    assert profiles["avg_spend"][0] == (450 * 9 * 10**12 * 10**9 + 450) / (900 * 10**9)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_segment_the_model_does_not_have_is_refused(engine: str) -> None:
    strange = users_scored().assign(segment_id=["S0099", *users_scored()["segment_id"][1:]])
    with pytest.raises(ModelError, match=f"segments S0099 are not in model {model().version}"):
        profiles_of(strange, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_spend_shares_add_up_to_one(engine: str) -> None:
    spent = users_scored().assign(total_spend=np.arange(900) / 100)
    profiles = profiles_of(spent, engine).set_index("segment_id")
    assert profiles["spend_share"].sum() == pytest.approx(1)
    own = spent.loc[spent["segment_id"] == "S0001", "total_spend"].astype(float).sum()
    assert profiles.loc["S0001", "total_spend"] == pytest.approx(own, abs=1e-6)
    assert profiles_of(users_scored(), engine)[["total_spend", "spend_share"]].isna().all(axis=None)


@pytest.mark.parametrize("engine", ENGINES)
def test_lookalikes_are_close_to_a_segment_with_more_spend_per_user(engine: str) -> None:
    rank = users_scored()["segment_id"].map({f"S000{i}": i for i in range(1, 5)}).astype(float)
    spent = users_scored().assign(total_spend=rank)
    profiles = profiles_of(spent, engine).set_index("segment_id")
    close = spent[(spent["margin"] < 0.1) & (spent["second_segment_id"] > spent["segment_id"])]
    expected = close["second_segment_id"].value_counts()
    assert profiles["lookalikes"].to_dict() == {f"S000{i}": int(expected.get(f"S000{i}", 0)) for i in range(1, 5)}
    assert profiles["lookalikes"].sum() > 0
    assert profiles_of(users_scored(), engine)["lookalikes"].isna().all()
