"""Drivers of a user's segment: the gap to the second-nearest segment, split exactly by feature."""

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]


def driver_contributions(matrix: Matrix, centroids: Matrix, *, own: Indices, second: Indices) -> Matrix:
    """How much each feature favours the own over the second-nearest segment: users x features, in squared sd.

    The contribution of feature f is (z_f - second_f)^2 - (z_f - own_f)^2; above 0 it favours the own segment. A user's
    contributions add up to second distance^2 - distance^2.

    Args:
        matrix: Scaled users (scaling.scaled_matrix).
        centroids: Segments x features.
        own: Index of each user's own segment.
        second: Index of each user's second-nearest segment.
    """
    toward_second = matrix - centroids[second]
    toward_own = matrix - centroids[own]
    return toward_second * toward_second - toward_own * toward_own


def strongest_drivers(contributions: Matrix, *, count: int) -> Indices:
    """Indices of the `count` features with the largest absolute contributions: users x `count`, largest first.

    Ties keep the order of features.
    """
    order: Indices = np.argsort(-np.abs(contributions), axis=1, kind="stable")
    return order[:, :count]
