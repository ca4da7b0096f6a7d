"""Stability of clusters under resampling: prediction strength on halves, Jaccard index on bootstraps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from amzseg_pipeline.steps.segments.clusters.distances import squared_distances
from amzseg_pipeline.steps.segments.features.scaling import Matrix

Indices = npt.NDArray[np.int64]

_STARTS = 3
"""KMeans starts per fit; with 1, the instability of the fit itself would dominate."""

_MIN_REPETITIONS = 8
_MIN_DEVIATION = 0.02
_CERTAIN_ERRORS = 5.0

_SAME_POINT_DECIMALS = 6


def distinct_point_labels(points: Matrix) -> Indices:
    """A label per distinct point, from 0; points equal to six decimals are one, as KMeans cannot separate them."""
    if not points.shape[1]:
        return np.zeros(len(points), np.int64)
    return np.asarray(np.unique(points.round(_SAME_POINT_DECIMALS), axis=0, return_inverse=True)[1].reshape(-1))


@dataclass(frozen=True)
class StopRule:
    """When repetitions of a measure end early: its mean is certain to be above or below `limit`.

    It is after eight, if the mean is five standard errors away, or 2.5 for a number of clusters that fails another
    criterion (`is_decided`). The standard deviation counts as at least 0.02.
    """

    limit: float
    is_decided: bool = False

    def ends(self, measured: Matrix) -> bool:
        """Whether `measured` (repetitions x clusters) are enough; the least of the means over repetitions counts."""
        repetitions = len(measured)
        if repetitions < _MIN_REPETITIONS:
            return False
        deviations = np.maximum(measured.std(axis=0, ddof=1), _MIN_DEVIATION)
        errors = (measured.mean(axis=0) - self.limit) / (deviations / np.sqrt(repetitions))
        certain = _CERTAIN_ERRORS / 2 if self.is_decided else _CERTAIN_ERRORS
        return bool(abs(errors.min()) >= certain)


def prediction_strengths(
    points: Matrix,
    weights: Matrix,
    k: int,
    *,
    splits: int,
    seed: int,
    identical_together: bool = False,
    stop: StopRule | None = None,
) -> list[float]:
    """Prediction strength of `k` clusters (Tibshirani and Walther 2005) on each split, from 0 to 1.

    Of the pairs of users in one cluster of the second half, the share that the centroids of the first half also put in
    one cluster; the minimum over clusters, on each of `splits` random halves, or fewer by the rule `stop`. Clusters of
    one user and halves with fewer than `k` distinct points count as 0. `identical_together` puts identical users into
    the same half: those of one product are one observation.
    """
    point_labels = distinct_point_labels(points)
    drawn_as = point_labels if identical_together else np.arange(len(points))
    units = int(drawn_as.max(initial=-1)) + 1
    half = units // 2
    strengths: list[float] = []
    for split in range(splits):
        if stop and stop.ends(np.array(strengths)[:, None]):
            break
        order = np.random.default_rng((seed, split)).permutation(units)
        first, second = (np.flatnonzero(np.isin(drawn_as, part)) for part in (order[:half], order[half : 2 * half]))
        if min(len(np.unique(point_labels[first])), len(np.unique(point_labels[second]))) < k:
            strengths.append(0.0)
            continue
        centroids, _ = _fitted(points[first], weights[first], point_labels[first], k, seed=seed + split)
        _, labels = _fitted(points[second], weights[second], point_labels[second], k, seed=seed + split)
        predicted = squared_distances(points[second], centroids).argmin(axis=1)
        together = _pairs(labels, predicted, weights[second], k).sum(axis=1)
        pairs = _pairs(labels, np.zeros_like(labels), weights[second], k)[:, 0]
        strengths.append(float(np.min(np.where(pairs > 0, together / np.where(pairs > 0, pairs, 1.0), 0.0))))
    return strengths


def jaccard(
    points: Matrix,
    weights: Matrix,
    labels: Indices,
    k: int,
    *,
    bootstraps: int,
    seed: int,
    identical_together: bool = False,
    stop: StopRule | None = None,
) -> float:
    """Bootstrap Jaccard index of the least stable of the clusters `labels` (Hennig 2007), from 0 to 1.

    Per cluster the Jaccard index, among the users drawn, with the most similar cluster of the bootstrap sample; the
    mean over `bootstraps` samples, or fewer by the rule `stop`; the minimum over clusters. Samples with fewer than `k`
    distinct points count as 0. `identical_together` draws identical users together.
    """
    point_labels = distinct_point_labels(points)
    drawn_as = point_labels if identical_together else np.arange(len(points))
    units = int(drawn_as.max(initial=-1)) + 1
    indices = np.zeros((bootstraps, k))
    drawn_samples = 0
    while drawn_samples < bootstraps and not (stop and stop.ends(indices[:drawn_samples])):
        bootstrap, drawn_samples = drawn_samples, drawn_samples + 1
        rng = np.random.default_rng((seed, bootstrap))
        times = np.bincount(rng.integers(0, units, units), minlength=units)[drawn_as]
        drawn = np.flatnonzero(times)
        if len(np.unique(point_labels[drawn])) < k:
            continue
        _, refitted = _fitted(
            points[drawn], weights[drawn] * times[drawn], point_labels[drawn], k, seed=seed + bootstrap
        )
        both = _table(labels[drawn], refitted, weights[drawn], k)
        either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
        indices[bootstrap] = (both / np.where(either > 0, either, 1.0)).max(axis=1)
    return float(indices[:drawn_samples].mean(axis=0).min())


def _fitted(points: Matrix, weights: Matrix, point_labels: Indices, k: int, *, seed: int) -> tuple[Matrix, Indices]:
    """Centroids and labels. Identical points are fitted as one point with their total weight, which is cheaper."""
    from sklearn.cluster import KMeans

    _, first, inverse = np.unique(point_labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    fitted = KMeans(k, n_init=_STARTS, random_state=seed % 2**32).fit(
        points[first[order]], sample_weight=np.bincount(inverse, weights)[order]
    )
    return fitted.cluster_centers_, fitted.labels_[np.argsort(order)[inverse]]


def _table(rows: Indices, columns: Indices, weights: Matrix, k: int) -> Matrix:
    return np.bincount(rows * k + columns, weights=weights, minlength=k * k).astype(np.float64).reshape(k, k)


def _pairs(rows: Indices, columns: Indices, weights: Matrix, k: int) -> Matrix:
    """Twice the weight of pairs of different users in each cell."""
    return np.asarray(_table(rows, columns, weights, k) ** 2 - _table(rows, columns, weights**2, k))
