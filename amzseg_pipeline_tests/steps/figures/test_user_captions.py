"""Recomputes every number and trend in the titles and captions of the users plots with pandas, on five data sets."""

from functools import cache

import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.users import FEATURES, USER_FEATURES
from amzseg_pipeline.presentation.formatting import percent, signed
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS
from amzseg_pipeline.steps.figures import users as user_plots
from amzseg_pipeline.steps.figures.gallery import Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.segments import scaled_features
from amzseg_pipeline_tests.frames import frame
from amzseg_pipeline_tests.steps.figures.captions import USERS, Fragments, assert_all_numbers, users_named
from amzseg_pipeline_tests.steps.segments.users import scaling_of


@cache
def user_data_of(name: str) -> user_plots.UserData:
    rows = pa.Table.from_pandas(users_named(name), preserve_index=False).to_pylist()
    return user_plots.user_data(frame(USER_FEATURES, rows), transform="log", currency="INR")


def reviews_per_user(users: pd.DataFrame) -> Fragments:
    total = users["total_reviews"].astype(int)
    once, several = (total == 1).mean(), total[total > 1]
    median = sorted(total)[(len(total) + 1) // 2 - 1]
    summary = [
        f"{len(several):,} users with several reviews, {percent(len(several) / len(total))} of all, wrote "
        f"{percent(several.sum() / total.sum())} of the reviews"
    ]
    return [
        f"{percent(once)} of users wrote a single" if once >= 0.01 else f"users wrote {median} reviews or more",
        *(summary if once else [f"Every user wrote {total.min()} reviews"]),
        f"no user more than {total.max():,}",
    ]


def scaled_feature(users: pd.DataFrame, feature: str) -> Fragments:
    before = users[feature].astype(float).dropna()
    after = scaled_features(users, scaling_of(users, transform="log"))[feature].astype(float).dropna()
    skewness = [((x - x.mean()) ** 3).mean() / x.std(ddof=0) ** 3 for x in (before, after)]
    extreme = int((after.abs() > 3).sum())
    return [
        f"{percent(extreme / len(after))} of users are beyond 3 sd" if extreme else "no user is beyond 3 sd",
        f"{skewness[0]:.1f} before and {skewness[1]:.1f} after",
        f"{extreme} user{'' if extreme == 1 else 's'} beyond 3 standard deviations",
    ]


def feature_correlations(users: pd.DataFrame) -> Fragments:
    varying = [name for name in FEATURES if users[name].nunique() > 1]
    table = users[varying].astype(float).corr(method="spearman")
    pairs = {(a, b): table.loc[a, b] for i, a in enumerate(varying) for b in varying[i + 1 :]}
    first, second = max(pairs, key=lambda pair: abs(pairs[pair]))
    strongest = signed(pairs[first, second], decimals=2)
    close = sum(abs(value) >= 0.5 for value in pairs.values())
    return [
        f"{FEATURE_NOUNS[second]} are",
        f"({strongest})",
        f"have {strongest}",
        f"correlation of 0.5 or more: {close} pair",
    ]


@pytest.mark.parametrize("dataset", USERS)
@pytest.mark.parametrize("name", user_plots.DRAWINGS)
def test_numbers_of_user_plots(name: str, dataset: str) -> None:
    with drawing_style():
        plot = user_plots.DRAWINGS[name](user_data_of(dataset))
    users = users_named(dataset)
    if name == "reviews_per_user":
        expected = reviews_per_user(users)
    elif name == "feature_correlations":
        expected = feature_correlations(users)
    else:
        expected = scaled_feature(users, name.removeprefix("scaling_of_"))
    assert isinstance(plot, Plot), plot
    assert_all_numbers(plot, expected)
