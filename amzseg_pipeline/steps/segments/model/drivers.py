"""Which features decided a user's segment: the gap to the second-best segment, split exactly by feature."""

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]


def driver_contributions(matrix: Matrix, centroids: Matrix, *, own: Indices, second: Indices) -> Matrix:
    """Users x features: how much each feature favours the own segment over the second-best, in squared sd.

    `matrix` holds scaled users (scaling.scaled_matrix); `own` and `second` hold each user's rows of `centroids`. The
    contribution of feature f is (z_f - second_f)^2 - (z_f - own_f)^2: above 0 it speaks for the own segment, below 0
    for the second-best. A user's contributions sum to second distance^2 - distance^2. Where own is second, all are 0.
    """
    toward_second = matrix - centroids[second]
    toward_own = matrix - centroids[own]
    return toward_second * toward_second - toward_own * toward_own


def strongest_drivers(contributions: Matrix, *, most: int) -> Indices:
    """Users x at most `most`: the features of largest contribution, either way, the largest first.

    Of equally large ones the feature that stands first comes first.
    """
    order: Indices = np.argsort(-np.abs(contributions), axis=1, kind="stable")
    return order[:, :most]
