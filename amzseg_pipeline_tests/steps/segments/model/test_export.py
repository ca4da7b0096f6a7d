import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path

import joblib
import pandas as pd
import pytest

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.users import COUNT_COLUMNS, FEATURES
from amzseg_pipeline.steps.segments import exported_pipeline, scored_users
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix
from amzseg_pipeline_tests.steps.segments.users import model_of, three_types, users_of, with_sums

COUNTS = [column.name for column in COUNT_COLUMNS]
USERS = three_types(500, unknown=0.1)
OTHERS = three_types(2000, seed=3, unknown=0.1).assign(typical_price=lambda users: 0.8 * users["avg_spend"])
MODELS = {
    "plain": lambda: model_of(USERS, transform="none", k=5),
    "logarithms": lambda: model_of(USERS, transform="log", k=5),
    "a feature dropped": lambda: model_of(with_sums(USERS.assign(avg_discount=float("nan"))), transform="log", k=4),
    "one segment": lambda: model_of(users_of([(1, 4.0, 10.0, 5.0)] * 3)),
}


@cache
def model_named(name: str) -> Model:
    return MODELS[name]()


def positions(users: pd.DataFrame, model: Model) -> list[int]:
    ids = [segment.segment_id for segment in model.segments]
    return [ids.index(each) for each in scored_users(users, model, as_of=date(2024, 1, 1))["segment_id"]]


@pytest.mark.parametrize("kind", MODELS)
def test_the_pipeline_predicts_the_segment_index(kind: str) -> None:
    model = model_named(kind)
    assert exported_pipeline(model).predict(OTHERS).tolist() == positions(OTHERS, model)


@pytest.mark.parametrize("kind", ["plain", "logarithms", "a feature dropped"])
def test_the_pipeline_scales_extreme_values_as_scoring_does(kind: str) -> None:
    users = OTHERS.copy()
    users.loc[:3, "avg_spend"] = [0.0, 1e12, 0.01, 1e6]
    users.loc[:2, "typical_price"] = [0.0, 1e12, float("nan")]
    ours = scaled_matrix(users, model_named(kind).scaling)
    assert exported_pipeline(model_named(kind))[:-1].transform(users) == pytest.approx(ours, rel=1e-12)


@pytest.mark.parametrize(
    "users",
    [
        OTHERS[[*FEATURES, *COUNTS, "typical_price"][::-1]],
        OTHERS.assign(country="IN"),
        OTHERS.astype({"total_reviews": "int64"}),
        OTHERS.convert_dtypes(dtype_backend="numpy_nullable"),
        OTHERS.convert_dtypes(dtype_backend="pyarrow"),
        OTHERS.set_index("user_id"),
        OTHERS.assign(**dict.fromkeys(COUNTS, float("nan"))),
    ],
    ids=["columns in another order", "a column more", "counts", "nullable", "arrow", "another index", "counts unknown"],
)
def test_any_frame_with_the_columns_can_be_scored(users: pd.DataFrame) -> None:
    assert exported_pipeline(model_named("logarithms")).predict(users).tolist() == positions(
        OTHERS, model_named("logarithms")
    )


def test_a_model_without_logarithms_needs_only_the_five_features() -> None:
    assert exported_pipeline(model_named("plain")).predict(OTHERS[list(FEATURES)]).tolist() == positions(
        OTHERS, model_named("plain")
    )


def test_review_counts_have_the_same_effect_as_in_scoring() -> None:
    users, model = OTHERS.assign(**dict.fromkeys(COUNTS, 0)), model_named("logarithms")
    assert exported_pipeline(model).predict(users).tolist() == positions(users, model) != positions(OTHERS, model)


def test_a_published_table_can_be_scored_again() -> None:
    model = model_named("logarithms")
    published = scored_users(OTHERS, model, as_of=date(2024, 1, 1))
    assert exported_pipeline(model).predict(published).tolist() == positions(OTHERS, model)


def test_the_pipelines_work_without_this_package(tmp_path: Path) -> None:
    for kind in MODELS:
        joblib.dump(exported_pipeline(model_named(kind)), tmp_path / f"{kind}.joblib")
    OTHERS.to_parquet(tmp_path / "users.parquet")
    notebook = (
        "import sys; sys.modules['amzseg_pipeline'] = None\n"
        "import joblib, pandas\n"
        "users = pandas.read_parquet('users.parquet')\n"
        "for name in sys.argv[1:]:\n"
        "    print(*joblib.load(name + '.joblib').predict(users))\n"
    )
    command = [sys.executable, "-W", "error", "-c", notebook, *MODELS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    found = [[int(position) for position in line.split()] for line in done.stdout.splitlines()]
    assert found == [positions(OTHERS, model_named(kind)) for kind in MODELS]
