"""Recomputes every number and trend in the captions and titles of the segments plots, on three data sets."""

from datetime import date
from functools import cache

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.users import FEATURES, USER_FEATURES
from amzseg_pipeline.presentation.formatting import percent
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS, feature_value
from amzseg_pipeline.steps.figures import segments as segment_plots
from amzseg_pipeline.steps.figures.gallery import Plot
from amzseg_pipeline.steps.figures.style import drawing_style
from amzseg_pipeline.steps.segments import profile_counts, scaled_features, scored_users, segment_profiles
from amzseg_pipeline_tests.frames import frame
from amzseg_pipeline_tests.steps.figures.captions import Fragments, assert_all_numbers, rupees, users_named
from amzseg_pipeline_tests.steps.segments.users import model_of


class Segments:
    """A model of a data set, its scored users and the data of the plots."""

    def __init__(self, name: str) -> None:
        self.users = users_named(name)
        self.model = model_of(self.users, k=3, k_max=5, n_init=1, prediction_splits=2, jaccard_bootstraps=2)
        self.names = {segment.segment_id: segment.name for segment in self.model.segments}
        self.axes = [feature.name for feature in self.model.scaling.features]
        scored = scored_users(self.users, self.model, as_of=date(2024, 1, 1))
        self.features = scored.set_index("user_id")[list(FEATURES)].astype(float)
        self.segment = scored.set_index("user_id")["segment_id"].astype(str)
        scaled = scaled_features(self.users, self.model.scaling).set_index("user_id")
        self.scaled = scaled[self.axes].astype(float).reindex(self.features.index)
        assignments = frame(SEGMENT_ASSIGNMENTS, pa.Table.from_pandas(scored, preserve_index=False).to_pylist())
        users = frame(USER_FEATURES, pa.Table.from_pandas(self.users, preserve_index=False).to_pylist())
        profiles = segment_profiles([profile_counts(assignments)], self.model)
        self.data = segment_plots.segment_data(assignments, users, profiles, self.model, currency="INR")


@cache
def segments_of(name: str) -> Segments:
    return Segments(name)


def sizes(data: Segments) -> Fragments:
    counts = data.segment.value_counts()
    largest, smallest = counts.index[0], counts.index[-1]
    return [
        f"{data.names[largest]} are the largest segment: {percent(counts.iloc[0] / counts.sum())} of users",
        f"{data.names[largest]} are {counts.iloc[0]} users",
        f"{data.names[smallest]} {counts.iloc[-1]}",
    ]


def profile(data: Segments) -> Fragments:
    weights = pd.Series({feature.name: feature.weight for feature in data.model.scaling.features})
    means = data.scaled.groupby(data.segment).mean() / weights
    extremes = {segment: (row.abs().idxmax(), row[row.abs().idxmax()]) for segment, row in means.iterrows()}
    special = max(extremes, key=lambda segment: abs(extremes[segment][1]))
    return [
        f"{data.names[special]} differ most: {FEATURE_NOUNS[extremes[special][0]]} {abs(extremes[special][1]):.1f} sd",
        *(f"{FEATURE_NOUNS[feature]} ({value:+.1f} sd)" for feature, value in extremes.values()),
    ]


def feature_boxes(data: Segments) -> Fragments:
    shares = {}
    for name in FEATURES:
        known = data.features[name].dropna()
        between = known.groupby(data.segment).transform("mean")
        shares[name] = between.var(ddof=0) / known.var(ddof=0)
    best = max(shares, key=shares.__getitem__)
    medians = data.features[best].groupby(data.segment).median()
    high, low = (feature_value(best, medians[pick()], currency="INR") for pick in (medians.idxmax, medians.idxmin))
    return [
        f"{percent(shares[best])} of the variance of the {FEATURE_NOUNS[best]}",
        f"{high} for {data.names[medians.idxmax()]} and {low} for {data.names[medians.idxmin()]}",
    ]


def price_and_discount(data: Segments) -> Fragments:
    known = data.features[["avg_discount", "avg_spend"]].dropna().query("avg_spend > 0")
    medians = known.groupby(data.segment).median()
    discount, spend = (medians[name].max() for name in medians)
    first, second = (data.names[str(medians[name].idxmax())] for name in medians)
    return [
        f"median discount: {first}, {discount:.0f}%",
        f"median price: {second}, {rupees(spend)}",
        f"Half of {first} have a mean discount of {discount:.0f}% or more",
        f"half of {second} a mean price of {rupees(spend)} or more",
    ]


def projected(data: Segments) -> Fragments:
    variances = np.sort(np.linalg.eigvalsh(np.cov(data.scaled.to_numpy().T)))[::-1]
    both, first = variances[:2].sum() / variances.sum(), variances[0] / variances.sum()
    return [f"show {percent(both)} of", f"shows {percent(both)} of", f"{percent(first)}, in the direction"]


def inertias(data: Segments) -> Fragments:
    choice = data.model.choice
    total = ((data.scaled - data.scaled.mean()) ** 2).to_numpy().sum()
    within = ((data.scaled - data.scaled.groupby(data.segment).transform("mean")) ** 2).to_numpy().sum()
    next_k = next(each.inertia for each in choice.evidence if each.k == 4)
    knee = [f"bends at {choice.knee} segments"] if choice.knee else ["no clear bend"]
    return [
        f"3 segments explain {percent(1 - within / total)} of",
        f"another {percent((within - next_k) / total)}",
        *knee,
    ]


def silhouettes_by_k(data: Segments) -> Fragments:
    from sklearn.metrics import silhouette_score

    limits = data.model.choice.limits
    measured = {e.k: e.silhouette for e in data.model.choice.evidence if limits.k_min <= e.k <= limits.k_max}
    best = max(measured, key=measured.__getitem__)
    chosen = silhouette_score(data.scaled.to_numpy(), data.segment.to_numpy())
    return [
        f"Of {limits.k_min} to {limits.k_max} segments, {best} are best separated: silhouette {measured[best]:.2f}",
        f"3 segments chosen reach {chosen:.2f} of at most 1",
        "the best value" if best == 3 else f"{percent(chosen / measured[best])} of the best, at k = {best}",
    ]


def silhouettes_by_user(data: Segments) -> Fragments:
    from sklearn.metrics import silhouette_samples

    widths = pd.Series(silhouette_samples(data.scaled.to_numpy(), data.segment.to_numpy()), index=data.segment.index)
    means = widths.groupby(data.segment).mean()
    return [
        f"{means.max():.2f} for {data.names[means.idxmax()]} and {means.min():.2f} for {data.names[means.idxmin()]}",
        f"{percent((widths < 0).mean())} of users are closer to another segment",
    ]


SEGMENT_PLOTS = {
    "segment_sizes": sizes,
    "segment_profile": profile,
    "features_by_segment": feature_boxes,
    "price_and_discount": price_and_discount,
    "projection": projected,
    "elbow": inertias,
    "silhouette_by_k": silhouettes_by_k,
    "silhouette_by_user": silhouettes_by_user,
}
"""evidence_for_k quotes the criteria of the model, which test_segments checks."""


@pytest.mark.parametrize("dataset", ["three types", "many unknown values", "heavy tail"])
@pytest.mark.parametrize("name", SEGMENT_PLOTS)
def test_numbers_of_segment_plots(name: str, dataset: str) -> None:
    data = segments_of(dataset)
    with drawing_style():
        plot = segment_plots.DRAWINGS[name](data.data)
    assert isinstance(plot, Plot), plot
    assert_all_numbers(plot, SEGMENT_PLOTS[name](data))
