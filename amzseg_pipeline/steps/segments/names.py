"""The names of segments, from what their users are like and never from an index."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.segments import ALL_CUSTOMERS, PERSONAS, Persona
from amzseg_pipeline.steps.segments.scaling import Matrix

LARGEST_POSITION = 5.0
"""Positions are clipped to this many standard deviations, so that one extreme axis does not decide alone."""

DISCOUNT_NAME = 0.8
"""A persona this far out on discount speaks of discounts; without any in the source it would be a lie."""

_AXES = (("total_reviews", "engagement_score"), ("avg_spend",), ("avg_discount",), ("avg_rating",))
_NEVER = 1e6


@dataclass(frozen=True)
class Named:
    """The persona of a segment, and how much of what sets the segment apart it accounts for.

    `name_fit` is 1 - (squared distance to the persona) / (squared distance to the average customer), at least 0: 1 is
    all of it, 0 is no better than "average". ALL_CUSTOMERS fits by definition.
    """

    persona: Persona
    name_fit: float


def named_segments(
    positions: Matrix, scaling: FeatureScaling, *, kept: Mapping[int, str] | None = None
) -> tuple[Named, ...]:
    """The persona of every row of `positions`: segments x kept features, in population standard deviations.

    The personas are those of least total squared distance, each used once, whatever the order of the rows. One segment
    is ALL_CUSTOMERS; as many as there are core personas share these; more take all, the core ones among them. A row in
    `kept` bears that name, where it is still one that can be borne, and the others share the rest. Raises ModelError
    when there are more segments than names.
    """
    axes = _axes(positions, scaling)
    if len(axes) == 1:
        return (Named(ALL_CUSTOMERS, 1.0),)
    personas = _personas(scaling)
    if len(axes) > len(personas):
        raise ModelError(too_many_segments(len(axes), scaling))
    by_name = {persona.name: persona for persona in personas}
    chosen = {row: by_name[name] for row, name in (kept or {}).items() if name in by_name}
    others = [row for row in range(len(axes)) if row not in chosen]
    free = [persona for persona in personas if persona not in chosen.values()]
    free_core = [persona for persona in free if persona.core]
    if len(axes) <= sum(persona.core for persona in personas) and len(others) <= len(free_core):
        free = free_core
    if others:
        chosen |= dict(zip(others, _assigned(axes[others], positions[others], free), strict=True))
    return tuple(Named(chosen[row], _fit(axes[row], chosen[row])) for row in range(len(axes)))


def most_segments(scaling: FeatureScaling) -> int:
    """The largest number of segments there are names for: 10, and 6 where the source has no discounts."""
    return len(_personas(scaling))


def too_many_segments(k: int, scaling: FeatureScaling) -> str:
    """What to tell when `k` is above `most_segments`."""
    most = most_segments(scaling)
    why = "" if most == len(PERSONAS) else " for users whose discounts are unknown or all alike"
    return f"settings: {k} segments, but there are only {most} names{why}; lower k to at most {most}, or set it to 0."


def _personas(scaling: FeatureScaling) -> list[Persona]:
    has_discounts = any(feature.name == "avg_discount" for feature in scaling.features)
    return [persona for persona in PERSONAS if has_discounts or abs(persona.discount) < DISCOUNT_NAME]


def _axes(positions: Matrix, scaling: FeatureScaling) -> Matrix:
    """Segments x (engagement, spend, discount, rating); a dropped feature counts as 0, the population's mean."""
    column = {feature.name: positions[:, i] for i, feature in enumerate(scaling.features)}
    zero = np.zeros(len(positions))
    axes = [sum((column.get(name, zero) for name in names), zero) / len(names) for names in _AXES]
    return np.clip(np.stack(axes, axis=1), -LARGEST_POSITION, LARGEST_POSITION)


def _assigned(axes: Matrix, positions: Matrix, personas: list[Persona]) -> list[Persona]:
    from scipy.optimize import linear_sum_assignment

    squares = ((axes[:, None, :] - np.array([_prototype(persona) for persona in personas])) ** 2).sum(axis=2)
    if len(axes) > sum(persona.core for persona in personas):
        # A reward no distance outweighs: every core persona finds a segment.
        squares[:, [persona.core for persona in personas]] -= _NEVER
    # Of equally good assignments the solver returns one that depends on the order of rows, so rows are put in order.
    order = np.lexsort(positions.T[::-1])
    _, columns = linear_sum_assignment(squares[order])
    return [personas[columns[place]] for place in np.argsort(order)]


def _fit(axis: Matrix, persona: Persona) -> float:
    apart = float((axis**2).sum())
    missed = float(((axis - np.array(_prototype(persona))) ** 2).sum())
    return max(0.0, 1.0 - missed / apart) if apart else 0.0


def _prototype(persona: Persona) -> tuple[float, float, float, float]:
    return (persona.engagement, persona.spend, persona.discount, persona.rating)
