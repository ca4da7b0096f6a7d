"""Mean silhouettes of several clusterings of the same points, in one pass over their distances."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.features.scaling import Matrix

_CHUNK_ROWS = 256


def silhouettes(
    points: Matrix, labellings: Sequence[npt.NDArray[np.int64]], *, weights: Matrix | None = None
) -> list[float | None]:
    """The mean silhouette (Rousseeuw 1987) of each labelling of `points`, equal to scikit-learn's silhouette_score.

    A point of weight w counts as w identical points. None if not defined: fewer than two clusters, or as many as
    points. Distances are computed once for all labellings: 9,050 users and six labellings take 0.6 s and 20 MB, with
    scikit-learn 4 s and 1.2 GB.
    """
    from scipy.spatial.distance import cdist
    from threadpoolctl import threadpool_limits

    if not labellings:
        return []
    weights = np.ones(len(points)) if weights is None else weights
    members = [np.eye(int(labels.max()) + 1)[labels] * weights[:, None] for labels in labellings]
    all_members = np.concatenate(members, axis=1)
    chunks = [points[start : start + _CHUNK_ROWS] for start in range(0, len(points), _CHUNK_ROWS)]
    with threadpool_limits(limits=1):
        sums = np.concatenate([cdist(chunk, points) @ all_members for chunk in chunks])
    by_labelling = np.split(sums, np.cumsum([member.shape[1] for member in members])[:-1], axis=1)
    return [_silhouette(part, labels, weights) for part, labels in zip(by_labelling, labellings, strict=True)]


def _silhouette(distance_sums: Matrix, labels: npt.NDArray[np.int64], weights: Matrix) -> float | None:
    sizes = np.bincount(labels, weights=weights)
    if not 2 <= np.count_nonzero(sizes) < len(labels):
        return None
    rows = np.arange(len(labels))
    is_alone = np.bincount(labels)[labels] == 1
    other_members = np.where(is_alone, 1.0, sizes[labels] - np.minimum(weights, 1.0))
    own = distance_sums[rows, labels] / other_members
    others = np.where(sizes > 0, distance_sums / np.where(sizes > 0, sizes, 1.0), np.inf)
    others[rows, labels] = np.inf
    nearest = others.min(axis=1)
    widest = np.maximum(own, nearest)
    defined = ~is_alone & (widest > 0)
    silhouette = np.where(defined, (nearest - own) / np.where(defined, widest, 1.0), 0.0)
    return float(np.average(silhouette, weights=weights))
