"""The figures of the users stage: what they say against plain pandas, and what they do where data lacks."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.model import DroppedFeature
from amzseg_pipeline.contracts.segments import SCALED_FEATURES
from amzseg_pipeline.contracts.users import FEATURES, USER_FEATURES
from amzseg_pipeline.steps.figures.gallery import LeftOut, Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.figures.users import DRAWINGS, UserData, user_data
from amzseg_pipeline.steps.segments import scaled_features
from amzseg_pipeline_tests.frames import ENGINES, frame
from amzseg_pipeline_tests.steps.figures.made_up import assert_fit_to_show
from amzseg_pipeline_tests.steps.segments.users import model_of, three_kinds, users_of

USERS = three_kinds(800)
SCALING = model_of(USERS, k=3).scaling
SCALED = scaled_features(USERS, SCALING)


def data_of(users: pd.DataFrame, *, engine: str = "duckdb", most_users: int = 20_000) -> UserData:
    scaled = scaled_features(users, SCALING)
    return user_data(
        frame(USER_FEATURES, rows(users), engine=engine),
        frame(SCALED_FEATURES, rows(scaled), engine=engine),
        SCALING,
        currency="INR",
        most_users=most_users,
    )


def rows(table: pd.DataFrame) -> list[dict]:
    return pa.Table.from_pandas(table, preserve_index=False).to_pylist()


DATA = data_of(USERS)


def drawn(name: str, data: UserData = DATA) -> Plot:
    with drawing_style():
        plot = DRAWINGS[name](data)
    assert isinstance(plot, Plot), plot
    return plot


def of_feature(feature: str) -> list[str]:
    scaled = SCALED[feature].astype(float)
    far = int((scaled.abs() > 3).sum())
    skewness = ((scaled - scaled.mean()) ** 3).mean() / scaled.std(ddof=0) ** 3
    return [f"{skewness:.1f} after", f"{far:,} user"]


def closest() -> str:
    table = USERS[list(FEATURES)].astype(float).corr(method="spearman").to_numpy().copy()
    np.fill_diagonal(table, 0)
    return f"{table.flat[np.abs(table).argmax()]:+.2f}"


SAYS = {
    "reviews_per_user": lambda: [
        f"{(USERS['total_reviews'] == 1).mean() * 100:.0f} % of users wrote a single review",
        f"{(USERS['total_reviews'] > 1).sum():,} users with several reviews",
        f"no user more than {int(USERS['total_reviews'].max())}",
    ],
    **{f"scaling_of_{feature}": lambda feature=feature: of_feature(feature) for feature in FEATURES},
    "feature_correlations": lambda: [closest()],
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_every_figure_says_what_plain_pandas_says(name):
    plot = drawn(name)
    assert_fit_to_show(plot)
    for fragment in SAYS[name]():
        assert fragment in f"{plot.title} {plot.sentence}"


def test_a_feature_that_was_dropped_is_left_out_with_the_reason():
    scaling = SCALING.__class__(
        **{
            **SCALING.__dict__,
            "features": tuple(feature for feature in SCALING.features if feature.name != "avg_discount"),
            "dropped": (DroppedFeature("avg_discount", "no user has a value"),),
        }
    )
    data = UserData(**{**DATA.__dict__, "scaling": scaling})
    left_out = DRAWINGS["scaling_of_avg_discount"](data)
    assert left_out == LeftOut("mean discount is no axis of the clusters: no user has a value")


def test_users_who_all_wrote_one_review_are_said_so():
    data = data_of(users_of([(1, 4.0, 10.0 + i, 100.0 + i) for i in range(50)]))
    assert DRAWINGS["reviews_per_user"](data) == LeftOut("all users have 1 review")


def test_users_without_differences_have_no_correlations():
    data = data_of(users_of([(1, 4.0, 10.0, 100.0)] * 20))
    assert DRAWINGS["feature_correlations"](data) == LeftOut("fewer than two features differ between users")


def test_before_and_after_show_the_same_users_on_every_engine():
    wanted = USERS.sort_values(["user_hash", "user_id"]).head(50)
    for engine in ENGINES:
        data = data_of(USERS, engine=engine, most_users=50)
        assert data.note == "50 of 800 users"
        for shown, whole in ((data.features, USERS), (data.scaled, SCALED)):
            expected = whole.loc[wanted.index, list(FEATURES)].astype(float)
            np.testing.assert_allclose(shown.to_numpy(float), expected.to_numpy(float))
