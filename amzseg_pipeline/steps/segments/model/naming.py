"""The names of segments, from what their users are like and never from an index."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.personas import ALL_CUSTOMERS, PERSONAS, Axis, Persona
from amzseg_pipeline.steps.segments.features.scaling import Matrix

LARGEST_POSITION = 5.0
"""Positions are clipped to this many standard deviations, so that one extreme axis does not decide alone."""

_AXES: dict[Axis, tuple[str, ...]] = {
    "engagement": ("total_reviews", "engagement_score"),
    "spend": ("avg_spend",),
    "discount": ("avg_discount",),
    "rating": ("avg_rating",),
}
"""Axis -> the features whose mean it is; without the first of them it says nothing."""

_CORE_REWARD = 1e3
_FALSE_CLAIM = 1e6
"""Squared distances stay below the one, and any number of rewards below the other."""


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
    is ALL_CUSTOMERS; as many as there are core personas share these; more take all, the core ones among them. But a
    persona that claims what is not so gives way to one that does not. A row in `kept` bears that name, whatever it
    claims, and the others share the rest. Raises ModelError when there are more segments than names.
    """
    if len(positions) == 1:
        return (Named(ALL_CUSTOMERS, 1.0),)
    personas = _personas(scaling)
    if len(positions) > len(personas):
        raise ModelError(too_many_segments(len(positions), scaling))
    axes = _axes(positions, scaling)
    by_name = {persona.name: persona for persona in PERSONAS}
    chosen = {row: by_name[name] for row, name in (kept or {}).items() if name in by_name}
    others = [row for row in range(len(axes)) if row not in chosen]
    if others:
        free = [persona for persona in personas if persona not in chosen.values()]
        core = sum(persona.core for persona in personas)
        reward = _CORE_REWARD if len(axes) <= core or len(others) > core else 0.0
        costs = _costs(axes[others], _claimable(positions[others], scaling), free, known=_known(scaling), reward=reward)
        chosen |= dict(zip(others, _assigned(costs, positions[others], free), strict=True))
    return tuple(
        Named(chosen[row], _fit(axes[row], _prototypes([chosen[row]], _known(scaling))[0])) for row in range(len(axes))
    )


def max_segments(scaling: FeatureScaling) -> int:
    """The largest number of segments there are names for: 21, and 14 where the source has no discounts."""
    return len(_personas(scaling))


def too_many_segments(k: int, scaling: FeatureScaling) -> str:
    """What to tell when `k` is above `most_segments`."""
    most = max_segments(scaling)
    unknown = " and ".join(axis for axis in _AXES if axis not in _known(scaling))
    why = f" for users whose {unknown} is unknown or all alike" if unknown else ""
    return f"settings: {k} segments, but there are only {most} names{why}; lower k to at most {most}, or set it to 0."


def _personas(scaling: FeatureScaling) -> list[Persona]:
    known = set(_known(scaling))
    return [persona for persona in PERSONAS if known.issuperset(persona.claims)]


def _known(scaling: FeatureScaling) -> tuple[Axis, ...]:
    """The axes that the scaling has; the others say nothing of anybody."""
    kept = {feature.name for feature in scaling.features}
    return tuple(axis for axis, features in _AXES.items() if features[0] in kept)


def _axes(positions: Matrix, scaling: FeatureScaling) -> Matrix:
    """Segments x known axes."""
    column = {feature.name: positions[:, i] for i, feature in enumerate(scaling.features)}
    axes = [np.mean([column[name] for name in _AXES[axis] if name in column], axis=0) for axis in _known(scaling)]
    rows = np.array(axes).reshape(len(axes), len(positions)).T
    return np.asarray(np.clip(rows, -LARGEST_POSITION, LARGEST_POSITION))


def _claimable(positions: Matrix, scaling: FeatureScaling) -> Matrix:
    """Segments x known axes, but engagement is reviews alone: whoever has one is not loyal, however high the rating."""
    names = [feature.name for feature in scaling.features]
    return positions[:, [names.index(_AXES[axis][0]) for axis in _known(scaling)]]


def _costs(
    axes: Matrix, claimable: Matrix, personas: list[Persona], *, known: tuple[Axis, ...], reward: float
) -> Matrix:
    """Segments x personas: false claims outweigh the `reward` for core personas, and that squared distances."""
    prototypes = _prototypes(personas, known)
    claimed = np.array([[axis in persona.claims for axis in known] for persona in personas])
    false_claims = ((claimable[:, None, :] * prototypes < 0) & claimed).sum(axis=2)
    squares = ((axes[:, None, :] - prototypes) ** 2).sum(axis=2)
    return np.asarray(squares + _FALSE_CLAIM * false_claims - reward * np.array([each.core for each in personas]))


def _assigned(costs: Matrix, positions: Matrix, personas: list[Persona]) -> list[Persona]:
    from scipy.optimize import linear_sum_assignment

    # Of equally good assignments the solver returns one that depends on the order of rows, so rows are put in order.
    order = np.lexsort(positions.T[::-1])
    _, columns = linear_sum_assignment(costs[order])
    return [personas[columns[place]] for place in np.argsort(order)]


def _fit(axis: Matrix, prototype: Matrix) -> float:
    apart, missed = float((axis**2).sum()), float(((axis - prototype) ** 2).sum())
    return max(0.0, 1.0 - missed / apart) if apart else 0.0


def _prototypes(personas: list[Persona], known: tuple[Axis, ...]) -> Matrix:
    return np.array([[float(getattr(persona, axis)) for axis in known] for persona in personas])
