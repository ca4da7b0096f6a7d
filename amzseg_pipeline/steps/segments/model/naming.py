"""Segment names, assigned from centroids and never from an index."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.personas import ALL_CUSTOMERS, PERSONAS, Axis, Persona
from amzseg_pipeline.steps.segments.features.scaling import Matrix, in_standard_deviations

LARGEST_POSITION = 5.0
"""Centroids are clipped to this many standard deviations, so that one extreme axis does not decide alone."""

_AXES: dict[Axis, tuple[str, ...]] = {
    "engagement": ("total_reviews", "engagement_score"),
    "spend": ("avg_spend",),
    "discount": ("avg_discount",),
    "rating": ("avg_rating",),
}
"""Axis -> the features that it averages. It is defined only if the first one is scaled."""

_CORE_REWARD = 1e3
_FALSE_CLAIM = 1e6
"""Larger than any squared distance, and larger than any sum of rewards."""


@dataclass(frozen=True)
class Named:
    """The persona of a segment and its fit.

    `name_fit` is 1 - (squared distance to the prototype) / (squared distance to the average user), at least 0. A value
    of 0 means that the name explains nothing. ALL_CUSTOMERS has a fit of 1.
    """

    persona: Persona
    name_fit: float


def named_segments(
    positions: Matrix, scaling: FeatureScaling, *, kept: Mapping[int, str] | None = None
) -> tuple[Named, ...]:
    """The persona of every centroid in `positions` (segments x scaled features).

    Each persona is used once; the assignment minimises the total squared distance to prototypes and does not depend on
    the order of rows. A single segment is ALL_CUSTOMERS, up to three segments use the core personas, more segments use
    all personas including the core ones. Personas with a false claim are used last. Rows in `kept` keep that name.
    Raises ModelError if there are more segments than names.
    """
    if len(positions) == 1:
        return (Named(ALL_CUSTOMERS, 1.0),)
    personas = _personas(scaling)
    if len(positions) > len(personas):
        raise ModelError(too_many_segments(len(positions), scaling))
    positions = in_standard_deviations(positions, scaling)
    axes = axes_of(positions, scaling)
    by_name = {persona.name: persona for persona in PERSONAS}
    chosen = {row: by_name[name] for row, name in (kept or {}).items() if name in by_name}
    others = [row for row in range(len(axes)) if row not in chosen]
    if others:
        free = [persona for persona in personas if persona not in chosen.values()]
        core = sum(persona.core for persona in personas)
        reward = _CORE_REWARD if len(axes) <= core or len(others) > core else 0.0
        costs = _costs(
            axes[others], _claimable(positions[others], scaling), free, known=known_axes(scaling), reward=reward
        )
        chosen |= dict(zip(others, _assigned(costs, positions[others], free), strict=True))
    return tuple(Named(chosen[row], name_fit(axes[row], chosen[row], known_axes(scaling))) for row in range(len(axes)))


def max_segments(scaling: FeatureScaling) -> int:
    """The number of names available: 21, or 14 for a source without discounts."""
    return len(_personas(scaling))


def too_many_segments(k: int, scaling: FeatureScaling) -> str:
    """The error message for `k` above `max_segments`."""
    maximum = max_segments(scaling)
    unknown = " and ".join(axis for axis in _AXES if axis not in known_axes(scaling))
    reason = f" for users whose {unknown} is unknown or identical" if unknown else ""
    return f"settings: {k} segments, but only {maximum} names{reason}; set k to 0, or lower it to at most {maximum}."


def _personas(scaling: FeatureScaling) -> list[Persona]:
    known = set(known_axes(scaling))
    return [persona for persona in PERSONAS if known.issuperset(persona.claims)]


def known_axes(scaling: FeatureScaling) -> tuple[Axis, ...]:
    """The axes that the scaling has."""
    kept = {feature.name for feature in scaling.features}
    return tuple(axis for axis, features in _AXES.items() if features[0] in kept)


def axes_of(positions: Matrix, scaling: FeatureScaling) -> Matrix:
    """Segments x known axes."""
    column = {feature.name: positions[:, i] for i, feature in enumerate(scaling.features)}
    axes = [np.mean([column[name] for name in _AXES[axis] if name in column], axis=0) for axis in known_axes(scaling)]
    rows = np.array(axes).reshape(len(axes), len(positions)).T
    return np.asarray(np.clip(rows, -LARGEST_POSITION, LARGEST_POSITION))


def _claimable(positions: Matrix, scaling: FeatureScaling) -> Matrix:
    """Segments x known axes, with engagement as total_reviews alone: a high rating is not loyalty."""
    names = [feature.name for feature in scaling.features]
    return positions[:, [names.index(_AXES[axis][0]) for axis in known_axes(scaling)]]


def _costs(
    axes: Matrix, claimable: Matrix, personas: list[Persona], *, known: tuple[Axis, ...], reward: float
) -> Matrix:
    """Segments x personas: squared distance, minus the core `reward`, plus a larger penalty per false claim."""
    prototypes = _prototypes(personas, known)
    claimed = np.array([[axis in persona.claims for axis in known] for persona in personas])
    false_claims = ((claimable[:, None, :] * prototypes < 0) & claimed).sum(axis=2)
    squares = ((axes[:, None, :] - prototypes) ** 2).sum(axis=2)
    return np.asarray(squares + _FALSE_CLAIM * false_claims - reward * np.array([each.core for each in personas]))


def _assigned(costs: Matrix, positions: Matrix, personas: list[Persona]) -> list[Persona]:
    from scipy.optimize import linear_sum_assignment

    # Among equal assignments the solver picks one by row order, so rows are sorted first.
    order = np.lexsort(positions.T[::-1])
    _, columns = linear_sum_assignment(costs[order])
    return [personas[columns[index]] for index in np.argsort(order)]


def name_fit(axes: Matrix, persona: Persona, known: Sequence[Axis]) -> float:
    """The fit of a persona for one segment at `axes` (its position on the `known` axes); see Named."""
    total, unexplained = float((axes**2).sum()), float(((axes - _prototypes([persona], known)[0]) ** 2).sum())
    return max(0.0, 1.0 - unexplained / total) if total else 0.0


def _prototypes(personas: list[Persona], known: Sequence[Axis]) -> Matrix:
    return np.array([[float(getattr(persona, axis)) for axis in known] for persona in personas])
