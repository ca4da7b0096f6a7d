"""Plots of the users stage: reviews per user, and user features before and after scaling."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, ScaledFeature
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.presentation.formatting import counted, percent, sampled, signed, strength
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS, feature_axis_title
from amzseg_pipeline.steps.figures.correlations import correlation_table, ranked_pairs
from amzseg_pipeline.steps.figures.gallery import Gallery, NotApplicable, Plot, gallery
from amzseg_pipeline.steps.figures.panels import heatmap, histogram
from amzseg_pipeline.steps.figures.style import ACCENT, PALE, canvas, count_axis, feature_axis, marked_line
from amzseg_pipeline.steps.figures.weighted import Values
from amzseg_pipeline.steps.segments.features import scaling as segments
from amzseg_pipeline.steps.segments.features.sampling import training_sample
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix
from amzseg_pipeline.steps.segments.features.shrinkage import shrinkages

MAX_USERS = 1_000_000
"""Captions describe all users up to this number, and state the sample beyond it."""

_EXTREME_SD = 3
_RELEVANT_SHARE = 0.01
_CLOSE = 0.5
_BINS = 40
_MAX_LABELS = 6
_MAX_STEMS = 30
_PANEL_CHARACTERS = 34


@dataclass(frozen=True)
class UserData:
    """Data of the plots. `review_counts` has the number of users per total_reviews, of all users.

    `features` and `scaled` have a row per user of the sample and a column per feature; `scaled` only the used ones.
    """

    review_counts: pd.DataFrame
    features: pd.DataFrame
    scaled: pd.DataFrame
    scaling: FeatureScaling
    users: int
    currency: str | None

    @property
    def scope(self) -> str:
        """A sentence that names the sample; empty if it has all users."""
        return "" if len(self.features) == self.users else f"Sample of {counted(len(self.features), 'user')}. "

    @property
    def note(self) -> str:
        """The number of users in a plot of the sample."""
        return sampled(len(self.features), self.users, "user")


def user_data(
    user_features: nw.LazyFrame[Any], *, transform: str, currency: str | None, max_users: int = MAX_USERS
) -> UserData:
    """The data of the figures: at most `max_users` users, those of smallest hash, scaled as for a model of them."""
    sample = _frame(training_sample(user_features, users=max_users))
    scaling = segments.feature_scaling(sample, transform=transform, shrinkages=shrinkages(user_features))
    counts = _frame(user_features.group_by("total_reviews").agg(users=nw.len()).sort("total_reviews"))
    return UserData(
        review_counts=counts,
        features=sample[list(FEATURES)].astype(float),
        scaled=pd.DataFrame(scaled_matrix(sample, scaling), columns=[feature.name for feature in scaling.features]),
        scaling=scaling,
        users=int(counts["users"].sum()),
        currency=currency,
    )


def reviews_per_user(data: UserData) -> Plot | NotApplicable:
    """Users per number of reviews, on logarithmic axes."""
    reviews, users = (data.review_counts[column].to_numpy(np.int64) for column in ("total_reviews", "users"))
    if len(reviews) < 2:
        return NotApplicable(
            f"all users have {counted(int(reviews[0]), 'review')}" if len(reviews) else "there are no users"
        )
    once = float(users[reviews == 1].sum() / users.sum())
    several = int(users[reviews > 1].sum())
    written = float((reviews * users)[reviews > 1].sum() / (reviews * users).sum())
    median = int(reviews[np.searchsorted(np.cumsum(users), users.sum() / 2)])
    title = (
        f"{percent(once)} of users wrote a single review"
        if once >= _RELEVANT_SHARE
        else f"Half of all users wrote {median:,} reviews or more"
    )
    figure, axes = canvas(title, note=counted(data.users, "user"))
    axes.set(xscale="log", yscale="log", xlabel="reviews a user wrote", ylabel="users")
    if len(reviews) <= _MAX_STEMS:
        axes.vlines(reviews, 0.7, users, color=PALE, linewidth=3)
    axes.scatter(reviews, users, s=46, color=ACCENT, edgecolor="white", linewidth=0.6, zorder=3)
    axes.set(xlim=(reviews.min() * 0.8, reviews.max() * 1.3), ylim=(0.7, users.max() * 2.5))
    count_axis(axes.xaxis)
    count_axis(axes.yaxis)
    if len(reviews) <= _MAX_LABELS:
        axes.set_xticks(reviews)
        for position, height in zip(reviews, users, strict=True):
            axes.annotate(f"{height:,}", (position, height), xytext=(0, 7), textcoords="offset points", ha="center")
    advice = (
        "most users have a single purchase, so offer a second one before you refine the segments"
        if once >= 0.5
        else "most users have several purchases, so segments are reliable for single users"
    )
    summary = (
        f"{counted(several, 'user')} with several reviews, {percent(several / data.users)} of all, wrote "
        f"{percent(written)} of the reviews"
        if once
        else f"Every user wrote {reviews.min():,} reviews or more"
    )
    caption = f"{summary}, and no user more than {reviews.max():,}: {advice}."
    return Plot(title, caption, figure)


def feature_scaling(data: UserData, *, feature: str) -> Plot | NotApplicable:
    """A feature before and after scaling."""
    name = FEATURE_NOUNS[feature]
    for dropped in data.scaling.dropped:
        if dropped.name == feature:
            return NotApplicable(f"{name} is not used for clustering: {dropped.reason}")
    fitted = next(scaled for scaled in data.scaling.features if scaled.name == feature)
    before, after = data.features[feature].dropna().to_numpy(), data.scaled[feature].dropna().to_numpy()
    far = int((np.abs(after) > _EXTREME_SD).sum())
    share = "no user is" if not far else f"{percent(far / len(after))} of users are"
    title = f"{name.capitalize()}: {share} beyond {_EXTREME_SD} sd after scaling"
    figure, axes = canvas(title, note=data.note, panels=(1, 2), height=4.0)
    bins: tuple[Any, Any] = (_BINS, _BINS)
    if feature == "avg_rating":
        edges = _edges(before)
        bins = (edges, len(edges) * 2 // 3 if fitted.shrinkage else (edges - fitted.mean) / fitted.scale)
    for axis, values, bin_edges in zip(axes, (before, after), bins, strict=True):
        histogram(axis, values, bins=bin_edges)
    axes[0].set(xlabel=feature_axis_title(feature, data.currency), ylabel="users", title="before", yscale="log")
    axes[1].set(
        xlabel=f"{name} (sd)", ylabel="", title=textwrap.fill(_treatment(fitted), _PANEL_CHARACTERS), yscale="log"
    )
    for axis in axes:
        axis.margins(x=0.05)
    for limit in (-_EXTREME_SD, _EXTREME_SD):
        if after.min() < limit < after.max():
            marked_line(axes[1], limit, f"{limit:+d} sd", line="--")
    feature_axis(axes[0].xaxis, feature, data.currency)
    for axis in axes:
        count_axis(axis.yaxis)
    advice = (
        "extreme users can pull a centroid towards them, so check medians as well as means"
        if far / len(after) >= _RELEVANT_SHARE
        else "extreme users are too few to shift a segment by this feature"
    )
    caption = (
        f"{data.scope}The skewness of the {name} is {_skewness(before):.1f} before and {_skewness(after):.1f} after, "
        f"with {counted(far, 'user')} beyond {_EXTREME_SD} standard deviations: {advice}."
    )
    return Plot(title, caption, figure)


def feature_correlations(data: UserData) -> Plot | NotApplicable:
    """Rank correlations of the features of users."""
    table = correlation_table(data.features, FEATURE_NOUNS)
    if table is None:
        return NotApplicable("fewer than three features differ between users")
    pairs = ranked_pairs(table)
    closest, close = pairs[0], sum(abs(pair.correlation) >= _CLOSE for pair in pairs)
    title = (
        f"{closest.first.capitalize()} and {closest.second} are {strength(closest.correlation)} related "
        f"({signed(closest.correlation, decimals=2)})"
    )
    figure, axes = canvas(title, note=f"Spearman's rank correlation; {data.note}")
    heatmap(axes, table, limit=1, decimals=2, label="rank correlation", half=True)
    advice = (
        "they count twice in the segments, so do not treat them as two independent reasons"
        if close
        else "each feature adds information to the segments"
    )
    caption = (
        f"{data.scope}Features with a rank correlation of {_CLOSE} or more: {counted(close, 'pair')}; the closest, "
        f"{closest.first} and {closest.second}, have {signed(closest.correlation, decimals=2)}: {advice}."
    )
    return Plot(title, caption, figure)


DRAWINGS: dict[str, Callable[[UserData], Plot | NotApplicable]] = {
    "reviews_per_user": reviews_per_user,
    **{f"scaling_of_{feature}": partial(feature_scaling, feature=feature) for feature in FEATURES},
    "feature_correlations": feature_correlations,
}
"""All plots of the stage, in display order."""


def user_gallery(data: UserData) -> Gallery:
    """The plots of `data`, rendered."""
    return gallery("users", DRAWINGS, data)


def _edges(stars: Values) -> Values:
    """Bin edges between tenths of stars, so each bin holds exactly one tenth."""
    return np.arange(np.floor(stars.min() * 10) / 10 - 0.05, 5.1, 0.1)


def _skewness(values: Values) -> float:
    spread = values.std()
    return float(((values - values.mean()) ** 3).mean() / spread**3) if spread > 0 else 0.0


def _treatment(fitted: ScaledFeature) -> str:
    """The treatment of the feature as a panel title."""
    done = {
        fitted.transform: fitted.transform != "identity",
        "shrinking": fitted.shrinkage is not None,
        "clipping": fitted.low is not None or fitted.high is not None,
    }
    before_scaling = ", ".join(name for name, was_done in done.items() if was_done)
    return f"after {before_scaling} and scaling" if before_scaling else "after scaling"


def _frame(lazy: nw.LazyFrame[Any]) -> pd.DataFrame:
    frame: pd.DataFrame = lazy.collect("pyarrow").to_native().to_pandas()
    return frame
