"""One user scored: the segment, how sure it is, what decided it, and what to be careful about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import facts, segment_heading
from amzseg_pipeline.app.formatting import FEATURE_WORDS, certainty, share_of, tactics
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.model import FeatureScaling, Model
from amzseg_pipeline.contracts.users import FEATURES, SCORING_COLUMNS
from amzseg_pipeline.steps.segments import scored_users
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix
from amzseg_pipeline.steps.segments.model.drivers import driver_contributions

_FAR = 2.0
_MORE_SD = 1e-9


@dataclass(frozen=True)
class Verdict:
    """A user's segment by a model. `second_id` and `margin` are None where there is one segment.

    `contributions` tells per feature of the model how much it favours the segment over the second best, in squared sd;
    `reach` is the distance to the centre as a multiple of that of 99.5 % of the segment's training users; `clipped` are
    features above what the model can tell apart, `unknown` those that it filled in.
    """

    features: Mapping[str, float | None]
    segment_id: str
    second_id: str | None
    margin: float | None
    contributions: Mapping[str, float]
    reach: float
    clipped: tuple[str, ...]
    unknown: tuple[str, ...]


def verdict(user: Mapping[str, float | None], model: Model) -> Verdict:
    """The verdict on a user, by the rule that scores everyone.

    `user` has contracts.users.FEATURES, and the counts of reviews behind the means where they are known. Raises
    ModelError when a value is out of its contract's range.
    """
    columns = (*FEATURES, *(column.name for column in SCORING_COLUMNS))
    frame = pd.DataFrame({name: np.array([user.get(name)], dtype=np.float64) for name in columns}).assign(user_id="")
    row = scored_users(frame, model, as_of=datetime.now(UTC).date()).iloc[0]
    matrix = scaled_matrix(frame, model.scaling)
    ids = [segment.segment_id for segment in model.segments]
    own = ids.index(row["segment_id"])
    second_id = None if pd.isna(row["second_segment_id"]) else str(row["second_segment_id"])
    centroids = np.array([segment.centroid for segment in model.segments]).reshape(len(ids), -1)
    second = own if second_id is None else ids.index(second_id)
    parts = driver_contributions(matrix, centroids, own=np.array([own]), second=np.array([second]))[0]
    names = [feature.name for feature in model.scaling.features]
    return Verdict(
        features={name: user[name] for name in FEATURES},
        segment_id=ids[own],
        second_id=second_id,
        margin=None if pd.isna(row["margin"]) else float(row["margin"]),
        contributions={name: float(part) for name, part in zip(names, parts, strict=True)},
        reach=float(row["distance"]) / max(model.segments[own].outlier_distance, 1e-9),
        clipped=_clipped(frame, model.scaling),
        unknown=tuple(name for name in names if user[name] is None),
    )


def show_verdict(shown: Published, found: Verdict, *, key: str) -> None:
    """Draws a verdict: segment, strategy, margin, second best, drivers, warnings."""
    profile = shown.profile(found.segment_id)
    segment_heading(shown, found.segment_id, note=f"{share_of(profile['share'])} of all users", level=2)
    _warnings(found)
    word, sentence = certainty(found.margin)
    if found.second_id is not None and found.margin is not None:
        facts(
            {"How sure": word, "Margin": f"{found.margin:.2f}", "Second best": shown.name(found.second_id)},
            colours={"Second best": shown.colours[found.second_id]},
        )
    st.caption(f"{sentence} The margin goes from 0, undecided, to 1, certain.")
    st.markdown("**What to do**\n" + "\n".join(f"- {each}" for each in tactics(profile["strategy"])))
    if found.second_id is not None and found.contributions:
        st.markdown("**What decided it**")
        st.caption(
            f"Bars to the right speak for {shown.name(found.segment_id)}, bars to the left for "
            f"{shown.name(found.second_id)}. Together they are the gap between the two (squared sd): "
            f"{sum(found.contributions.values()):,.2f}."
        )
        charts.show(
            charts.drivers_figure(
                shown,
                found.contributions,
                user=found.features,
                segment_id=found.segment_id,
                second_id=found.second_id,
            ),
            key=f"{key}_drivers",
            alt="How much each feature speaks for the segment or for the second best.",
        )


def _warnings(found: Verdict) -> None:
    if found.reach > _FAR:
        st.warning(
            f"Unlike anyone the model has seen: {found.reach:,.1f} times as far from the centre of the segment as "
            "99.5 % of its users. The segment is the nearest one, and that is all it says.",
            icon=":material/warning:",
        )
    elif found.reach > 1:
        st.warning(
            "Unlike almost anyone the model has seen: farther from the centre of the segment than 99.5 % of its users. "
            "The segment is the nearest one; do not lean on it.",
            icon=":material/warning:",
        )
    if found.clipped:
        names = ", ".join(FEATURE_WORDS[name].label.lower() for name in found.clipped)
        st.warning(
            f"Above almost everyone the model has learnt from: {names}. "
            "More than that makes no difference to the segment.",
            icon=":material/warning:",
        )
    if found.unknown:
        names = ", ".join(FEATURE_WORDS[name].label.lower() for name in found.unknown)
        st.info(f"Not known, and taken as for the average customer: {names}.", icon=":material/help:")
    if found.features["total_reviews"] == 1:
        st.caption("One review only: the segment rests on little.")


def _clipped(frame: pd.DataFrame, scaling: FeatureScaling) -> tuple[str, ...]:
    """The features of a user that lie above the bound that training set."""
    unbounded = replace(scaling, features=tuple(replace(each, high=None) for each in scaling.features))
    beyond = scaled_matrix(frame, unbounded)[0] > scaled_matrix(frame, scaling)[0] + _MORE_SD
    return tuple(feature.name for feature, is_beyond in zip(scaling.features, beyond, strict=True) if is_beyond)
