"""One user scored: the segment, the confidence, the features that decided it, and warnings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import facts, segment_heading
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.presentation.actions import actions_markdown
from amzseg_pipeline.presentation.formatting import percent
from amzseg_pipeline.presentation.labels import FEATURE_LABELS
from amzseg_pipeline.presentation.segment_texts import HIGH_MARGIN, LOW_MARGIN, confidence
from amzseg_pipeline.steps.segments.features.scaling import Users, scaled_matrix
from amzseg_pipeline.steps.segments.model.drivers import driver_contributions
from amzseg_pipeline.steps.segments.model.scoring import score_columns

_FAR_REACH = 2.0
_ONE_REVIEW = " There is only one review, so the next one may well change the segment."
_MIN_EXCESS_SD = 1e-9


@dataclass(frozen=True)
class UserScore:
    """The segment of a user by a model. `second_segment_id` and `margin` are None if there is one segment.

    Attributes:
        contributions: what each feature of the model adds to the gap between the segment and the second best, in
            squared standard deviations.
        reach: distance to the centre as a multiple of the distance within which 99.5% of training users are.
        clipped: features above the highest value that the model distinguishes.
        imputed: unknown features, taken as average.
    """

    features: Mapping[str, float | None]
    segment_id: str
    second_segment_id: str | None
    margin: float | None
    contributions: Mapping[str, float]
    reach: float
    clipped: tuple[str, ...]
    imputed: tuple[str, ...]


def scored_user(user: Mapping[str, float | None], model: Model) -> UserScore:
    """The score of a user, by the function that scores all users.

    Args:
        user: contracts.users.FEATURES, and the counts of reviews behind the means if they are known.
        model: the model of a snapshot.

    Raises:
        ModelError: a value is outside the range of its contract.
    """
    names = (*FEATURES, *(column.name for column in SCORING_COLUMNS))
    users = {name: np.array([user.get(name)], dtype=np.float64) for name in names}
    scores = score_columns(users, model)
    matrix = scaled_matrix(users, model.scaling)
    segment_ids = [segment.segment_id for segment in model.segments]
    own = segment_ids.index(scores["segment_id"][0].as_py())
    second_segment_id = scores["second_segment_id"][0].as_py()
    second = own if second_segment_id is None else segment_ids.index(second_segment_id)
    centroids = np.array([segment.centroid for segment in model.segments]).reshape(len(segment_ids), -1)
    contributions = driver_contributions(matrix, centroids, own=np.array([own]), second=np.array([second]))[0]
    return UserScore(
        features={name: user[name] for name in FEATURES},
        segment_id=segment_ids[own],
        second_segment_id=second_segment_id,
        margin=None if second_segment_id is None else float(scores["margin"][0]),
        contributions={
            feature.name: float(value) for feature, value in zip(model.scaling.features, contributions, strict=True)
        },
        reach=float(scores["distance"][0]) / max(model.segments[own].outlier_distance, 1e-9),
        clipped=_clipped(users, model.scaling),
        imputed=_imputed(user, model.scaling),
    )


def show_user_score(shown: ShownSnapshot, score: UserScore, *, key: str) -> None:
    """Draws a score: segment, warnings, confidence, strategy, deciding features."""
    profile = shown.profile(score.segment_id)
    segment_heading(shown, score.segment_id, note=f"{percent(profile['share'], decimals=1)} of all users", level=2)
    _show_warnings(score)
    level, explanation = confidence(score.margin)
    if score.second_segment_id is not None and score.margin is not None:
        facts(
            {
                "Confidence": level,
                "Margin": f"{score.margin:.2f}",
                "Second best": shown.name(score.second_segment_id),
            },
            colours={"Second best": shown.colours[score.second_segment_id]},
        )
    st.caption(
        f"{explanation} The margin goes from 0, undecided, to 1, certain; it is low below {LOW_MARGIN} and high from "
        f"{HIGH_MARGIN}." + (_ONE_REVIEW if score.features["total_reviews"] == 1 else "")
    )
    st.markdown(f"**What to do**\n{actions_markdown(profile['strategy'])}")
    if score.second_segment_id is not None and score.contributions:
        st.markdown("**What decided it**")
        st.caption(
            f"Bars to the right favour {shown.name(score.segment_id)}, bars to the left "
            f"{shown.name(score.second_segment_id)}. They add up to the gap between the two segments, "
            f"{sum(score.contributions.values()):,.2f} squared standard deviations."
        )
        charts.show(
            charts.drivers_figure(
                shown,
                score.contributions,
                user=score.features,
                segment_id=score.segment_id,
                second_segment_id=score.second_segment_id,
            ),
            key=f"{key}_drivers",
            alt="How much each feature favours the segment or the second best.",
        )


def _show_warnings(score: UserScore) -> None:
    if score.reach > _FAR_REACH:
        st.warning(
            f"Unlike all users the model was trained on: {score.reach:,.1f} times as far from the centre of the "
            "segment as 99.5% of its users. The segment is merely the nearest one.",
            icon=":material/warning:",
        )
    elif score.reach > 1:
        st.warning(
            "Unlike almost all users the model was trained on: farther from the centre of the segment than 99.5% of "
            "its users. The segment is the nearest one; use it with care.",
            icon=":material/warning:",
        )
    if score.clipped:
        st.warning(
            f"Above almost all users the model was trained on: {_labels(score.clipped)}. Higher values do not change "
            "the segment.",
            icon=":material/warning:",
        )
    if score.imputed:
        st.info(f"Unknown, taken as average: {_labels(score.imputed)}.", icon=":material/help:")


def _labels(features: tuple[str, ...]) -> str:
    return ", ".join(FEATURE_LABELS[name].label.lower() for name in features)


def _imputed(user: Mapping[str, float | None], scaling: FeatureScaling) -> tuple[str, ...]:
    """The unknown features; in logarithmic form engagement is not unknown, but reviews times the average rating."""
    derived = {"engagement_score"} if scaling.transform == "log" else set()
    return tuple(each.name for each in scaling.features if user[each.name] is None and each.name not in derived)


def _clipped(users: Users, scaling: FeatureScaling) -> tuple[str, ...]:
    """The features of a user above the upper bounds from training."""
    unbounded = replace(scaling, features=tuple(replace(feature, high=None) for feature in scaling.features))
    is_clipped = scaled_matrix(users, unbounded)[0] > scaled_matrix(users, scaling)[0] + _MIN_EXCESS_SD
    return tuple(feature.name for feature, clipped in zip(scaling.features, is_clipped, strict=True) if clipped)
