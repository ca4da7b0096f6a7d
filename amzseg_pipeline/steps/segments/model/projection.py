"""Two-dimensional map of scaled users: their first two principal components."""

from dataclasses import dataclass

import numpy as np

from amzseg_pipeline.steps.segments.features.scaling import Matrix


@dataclass(frozen=True)
class Projection:
    """Two directions in scaled units. `axes` is 2 x features; `explained` is the explained variance ratio of each."""

    centre: Matrix
    axes: Matrix
    explained: tuple[float, float]


def projection(matrix: Matrix) -> Projection:
    """The projection of `matrix` (scaled users x features); missing components are 0.

    The largest loading of each component is positive, so the map does not flip from run to run.
    """
    features = matrix.shape[1]
    centre = matrix.mean(axis=0) if len(matrix) else np.zeros(features)
    axes, explained = np.zeros((2, features)), [0.0, 0.0]
    gaps = matrix - centre
    variances, vectors = np.linalg.eigh(gaps.T @ gaps)
    total = float(variances.sum())
    for i in range(min(2, features)):
        axis = vectors[:, -1 - i]
        axes[i] = axis * np.sign(axis[np.argmax(np.abs(axis))])
        explained[i] = float(max(variances[-1 - i], 0.0)) / total if total > 0 else 0.0
    return Projection(centre, axes, (explained[0], explained[1]))


def projected(matrix: Matrix, onto: Projection) -> Matrix:
    """The map coordinates of scaled users: users x 2."""
    return (matrix - onto.centre) @ onto.axes.T
