"""Names that are true of the current members of every segment, checked in every run.

A persona is kept as long as its claims hold for the members and it explains something of them. Otherwise the segment
gets the best persona whose claims hold, or a descriptive name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.model import Model, Segment
from amzseg_pipeline.contracts.personas import CLAIM_DIFFERENCES, PERSONAS, RAW_FEATURES, Axis, Persona
from amzseg_pipeline.contracts.reviews import RatingMeaning
from amzseg_pipeline.steps.segments.clusters.distances import nearest_centroids
from amzseg_pipeline.steps.segments.features.scaling import Matrix, in_standard_deviations, scaled_matrix
from amzseg_pipeline.steps.segments.model.naming import axes_of, known_axes, name_fit

MIN_NEW_FIT = 0.25
"""A segment gets a persona only from this fit on."""

MIN_KEPT_FIT = 0.1
"""A segment keeps its persona down to this fit, lower than MIN_NEW_FIT so that names do not flip between runs."""

NO_PERSONA_STRATEGY = "no persona fits: go by the profile"

_IMPOSSIBLE = 1e9
_MAX_ONE_TIMER_MEAN = 1.25


@dataclass(frozen=True)
class Facts:
    """Mean and median of each axis in raw units; NaN if unknown."""

    means: dict[Axis, float]
    medians: dict[Axis, float]


def with_member_names(model: Model, sample: pd.DataFrame, *, rating_meaning: RatingMeaning) -> Model:
    """`model` with names and name fits for the members of this run; ids and version do not change.

    Args:
        model: The model that scores this run.
        sample: contracts.USER_FEATURES of the training sample of this run.
        rating_meaning: Whose opinion a rating is; "product" allows no claim about a user's satisfaction.
    """
    if len(model.segments) == 1:
        return model
    matrix = scaled_matrix(sample, model.scaling)
    centroids = np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)
    labels = nearest_centroids(matrix, centroids).own
    raw = {axis: sample[name].to_numpy(np.float64, na_value=np.nan) for axis, name in RAW_FEATURES.items()}
    everyone = _facts(raw, np.ones(len(sample), bool))
    members = [_facts(raw, labels == i) for i in range(len(model.segments))]
    axes = axes_of(_positions(matrix, labels, model), model.scaling)
    known = known_axes(model.scaling)
    by_name = {persona.name: persona for persona in PERSONAS}
    alive = [i for i in range(len(model.segments)) if (labels == i).any()]
    allowed = [p for p in PERSONAS if set(known).issuperset(p.claims) and _is_measured(p, rating_meaning)]
    chosen: dict[int, Persona] = {}
    for i in alive:
        persona = by_name.get(model.segments[i].name)
        if persona is None or persona not in allowed or not holds(persona, members[i], everyone):
            continue
        if name_fit(axes[i], persona, known) >= MIN_KEPT_FIT:
            chosen[i] = persona
    others = [i for i in alive if i not in chosen]
    persona_of_dead = {segment.name for i, segment in enumerate(model.segments) if i not in alive}
    free = [p for p in allowed if p not in chosen.values() and p.name not in persona_of_dead]
    was_descriptive = {i for i in others if model.segments[i].name not in by_name}
    chosen |= _assigned([i for i in others if i not in was_descriptive], free, axes, members, everyone, known)
    segments = list(model.segments)
    taken = {persona.name for persona in chosen.values()} | persona_of_dead
    for i in alive:
        if i in chosen:
            fit = name_fit(axes[i], chosen[i], known)
            segments[i] = _renamed(segments[i], chosen[i].name, chosen[i].strategy, fit)
        else:
            name = _descriptive_name(members[i], everyone, rating_meaning)
            name = name if name not in taken else f"{name} ({segments[i].segment_id})"
            taken.add(name)
            segments[i] = _renamed(segments[i], name, NO_PERSONA_STRATEGY, 1.0)
    names = {segment.segment_id: segment.name for segment in segments}
    events = tuple(
        replace(event, name=names.get(event.segment_id, event.name))
        if event.event in ("kept", "split", "born")
        else event
        for event in model.lineage
    )
    return replace(model, segments=tuple(segments), lineage=events)


def renamed_segments(before: Model | None, after: Model) -> tuple[tuple[str, str, str], ...]:
    """(segment_id, old name, new name) of the segments of both models whose name changed."""
    old = {segment.segment_id: segment.name for segment in before.segments} if before else {}
    return tuple(
        (segment.segment_id, old[segment.segment_id], segment.name)
        for segment in after.segments
        if old.get(segment.segment_id, segment.name) != segment.name
    )


def holds(persona: Persona, members: Facts, everyone: Facts) -> bool:
    """Whether every claim holds for the members against all users, in mean and median by the stated difference."""
    return all(_claim_holds(persona, axis, members, everyone) for axis in persona.claims)


def _claim_holds(persona: Persona, axis: Axis, members: Facts, everyone: Facts) -> bool:
    is_high = getattr(persona, axis) > 0
    mean, median = members.means[axis], members.medians[axis]
    if np.isnan(mean) or np.isnan(everyone.means[axis]):
        return False
    if axis == "engagement" and not is_high:
        return median == 1 and mean <= _MAX_ONE_TIMER_MEAN
    if axis == "engagement" and median < 2:
        return False
    if axis == "rating":
        if persona.max_rating is not None and max(mean, median) > persona.max_rating:
            return False
        if persona.min_rating is not None and min(mean, median) < persona.min_rating:
            return False
    pairs = ((mean, everyone.means[axis]), (median, everyone.medians[axis]))
    return all(CLAIM_DIFFERENCES[axis].is_met(own, usual, is_high=is_high) for own, usual in pairs)


def _is_measured(persona: Persona, rating_meaning: RatingMeaning) -> bool:
    return rating_meaning == "user" or "rating" not in persona.claims


def _facts(raw: dict[Axis, Matrix], rows: np.ndarray) -> Facts:
    known = {axis: values[rows & ~np.isnan(values)] for axis, values in raw.items()}
    return Facts(
        means={axis: float(values.mean()) if values.size else np.nan for axis, values in known.items()},
        medians={axis: float(np.median(values)) if values.size else np.nan for axis, values in known.items()},
    )


def _positions(matrix: Matrix, labels: np.ndarray, model: Model) -> Matrix:
    """Segments x features: means of members minus those of all users, in standard deviations; NaN if empty."""
    scaled = in_standard_deviations(matrix, model.scaling)
    centred = scaled - scaled.mean(axis=0)
    rows = [centred[labels == i] for i in range(len(model.segments))]
    empty = np.full(centred.shape[1], np.nan)
    return np.array([members.mean(axis=0) if len(members) else empty for members in rows])


def _assigned(
    segments: Sequence[int],
    personas: Sequence[Persona],
    axes: Matrix,
    members: Sequence[Facts],
    everyone: Facts,
    known: Sequence[Axis],
) -> dict[int, Persona]:
    """The personas of smallest total squared distance among those that are true and fit."""
    if not segments or not personas:
        return {}
    from scipy.optimize import linear_sum_assignment

    prototypes = np.array([[float(getattr(persona, axis)) for axis in known] for persona in personas])
    costs = ((axes[list(segments)][:, None, :] - prototypes) ** 2).sum(axis=2)
    for row, i in enumerate(segments):
        for column, persona in enumerate(personas):
            fits = name_fit(axes[i], persona, known) >= MIN_NEW_FIT
            if not fits or not holds(persona, members[i], everyone):
                costs[row, column] = _IMPOSSIBLE
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {segments[row]: personas[column] for row, column in pairs if costs[row, column] < _IMPOSSIBLE}


def _renamed(segment: Segment, name: str, strategy: str, fit: float) -> Segment:
    return replace(segment, name=name, strategy=strategy, name_fit=fit)


def _descriptive_name(members: Facts, everyone: Facts, rating_meaning: RatingMeaning) -> str:
    """A name from medians, such as "5-star, one review, low prices"."""
    parts = []
    rating, reviews = members.medians["rating"], members.medians["engagement"]
    if not np.isnan(rating):
        parts.append(f"{rating:.2g}-star" if rating_meaning == "user" else f"products rated {rating:.1f}")
    parts.append("one review" if reviews == 1 else f"{reviews:g} reviews")
    nouns: dict[Axis, str] = {"discount": "discounts", "spend": "prices"}
    for axis, noun in nouns.items():
        for is_high, adjective in ((True, "high"), (False, "low")):
            if all(
                CLAIM_DIFFERENCES[axis].is_met(own[axis], usual[axis], is_high=is_high)
                for own, usual in ((members.means, everyone.means), (members.medians, everyone.medians))
            ):
                parts.append(f"{adjective} {noun}")
    text = ", ".join(parts)
    return text[0].upper() + text[1:]
