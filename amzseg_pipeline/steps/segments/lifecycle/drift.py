"""Drift: how far users have moved from the reference of a model."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureReference, Model, TrainingReference
from amzseg_pipeline.contracts.promotion import Drift, DriftMeasure
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.contracts.users import FEATURES
from amzseg_pipeline.steps.segments.clusters.distances import nearest_centroids
from amzseg_pipeline.steps.segments.features.scaling import scaled_matrix

_DECILES = tuple(range(10, 100, 10))
_SEEN_HASHES = 1_024
_SMOOTHING = 0.5
_STANDARD_ERRORS = 3.0
"""Means and counts warn beyond this many standard errors; PSI has its own noise floor."""

Counts = npt.NDArray[np.int64]


def training_reference(sample: pd.DataFrame, model: Model) -> TrainingReference:
    """The reference data for drift: the users of `sample` (sampling.training_sample), scored by `model`."""
    own, squares, outliers = _scored(sample, model)
    return TrainingReference(
        users=len(sample),
        features=tuple(_feature_reference(name, _values(sample, name)) for name in FEATURES),
        segment_users=tuple(np.bincount(own, minlength=len(model.segments)).tolist()),
        mean_squared_distance=_mean(squares),
        sd_squared_distance=math.sqrt(_mean((squares - _mean(squares)) ** 2)),
        outliers=outliers,
        seen_hashes=tuple(np.sort(sample["user_hash"].to_numpy(np.int64))[:_SEEN_HASHES].tolist()),
    )


def drift(sample: pd.DataFrame, champion: Model, settings: Settings) -> Drift:
    """Drift of `sample` (sampling.training_sample of this run) against the reference of `champion`.

    PSI is the sum of (a - e) ln(a / e) over bins, with shares smoothed by half a user; its noise floor is
    (bins - 1)(1/N + 1/M). Every warning triggers a challenger, except that of a single feature below
    `drift_feature_psi` and that of unseen users: new users like the old ones make no segment false. Raises ModelError
    if the champion has no training reference.
    """
    reference = champion.reference
    if reference is None:
        raise ModelError(f"model {champion.version}: it has no training reference; train a new model.")
    features = [_feature_measure(part, _values(sample, part.name), settings) for part in reference.features]
    features.sort(key=lambda measure: -measure.value)
    others = _scoring_figures(sample, champion, reference, settings)
    unseen = _unseen(sample, reference, settings)
    drifting = [measure for measure in features if measure.warns]
    triggering = drifting if len(drifting) > 1 else [f for f in drifting if f.value >= settings.drift_feature_psi]
    return Drift(
        champion_version=champion.version,
        users=len(sample),
        measures=(*features, *others, unseen),
        warnings=tuple(_message(measure) for measure in [*drifting, *(f for f in (*others, unseen) if f.warns)]),
        triggers=tuple(_message(measure) for measure in [*triggering, *(f for f in others if f.warns)]),
        note="",
    )


def drift_without_champion(users: int) -> Drift:
    """The drift of a run without a champion."""
    return Drift("", users, (), (), (), "there is no champion yet")


def _feature_reference(name: str, values: npt.NDArray[np.float64]) -> FeatureReference:
    known = values[~np.isnan(values)]
    edges: list[float] = []
    if known.size:
        edges = np.unique(np.percentile(known, _DECILES, method="inverted_cdf")).tolist()
        if edges[0] == known.min():
            # A tenth or more of the users share the smallest value; values below it are new and get their own bin.
            edges.insert(0, float(np.nextafter(edges[0], -np.inf)))
    return FeatureReference(name, tuple(edges), tuple(_counts(values, edges).tolist()))


def _counts(values: npt.NDArray[np.float64], edges: Sequence[float]) -> Counts:
    """Users per bin; the last entry counts nulls."""
    known = values[~np.isnan(values)]
    bins = np.bincount(np.searchsorted(np.array(edges), known, side="left"), minlength=len(edges) + 1)
    return np.append(bins, len(values) - len(known))


def _feature_measure(part: FeatureReference, values: npt.NDArray[np.float64], settings: Settings) -> DriftMeasure:
    return _psi_measure(f"psi_{part.name}", np.array(part.users), _counts(values, part.edges), settings)


def _psi_measure(name: str, expected: Counts, actual: Counts, settings: Settings) -> DriftMeasure:
    value = _psi(expected, actual)
    bins = int(np.count_nonzero(expected + actual))
    floor = (bins - 1) * (1 / max(expected.sum(), 1) + 1 / max(actual.sum(), 1))
    limit = max(settings.drift_psi, settings.drift_noise_factor * float(floor))
    return DriftMeasure(name, value, limit, value > limit)


def _psi(expected: Counts, actual: Counts) -> float:
    e, a = ((counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts)) for counts in (expected, actual))
    return max(0.0, math.fsum(((a - e) * np.log(a / e)).tolist()))


def _scoring_figures(
    sample: pd.DataFrame, champion: Model, reference: TrainingReference, settings: Settings
) -> list[DriftMeasure]:
    own, squares, outliers = _scored(sample, champion)
    segment_users = np.bincount(own, minlength=len(champion.segments))
    measures = [_psi_measure("psi_shares", np.array(reference.segment_users), segment_users, settings)]
    variance_factor = 1 / max(reference.users, 1) + 1 / max(len(sample), 1)
    if reference.mean_squared_distance > 0:
        ratio = _mean(squares) / reference.mean_squared_distance
        noise = (
            _STANDARD_ERRORS
            * reference.sd_squared_distance
            / reference.mean_squared_distance
            * math.sqrt(variance_factor)
        )
        limit = max(settings.drift_distance_ratio, 1 + noise)
        measures.append(DriftMeasure("distance_ratio", ratio, limit, ratio >= limit))
    expected = (reference.outliers + _SMOOTHING) / (reference.users + 1)
    ratio = (outliers + _SMOOTHING) / (len(sample) + 1) / expected
    # The bounds are percentiles; with few users their own error is about one outlier per segment.
    bound_variance = len(champion.segments) / (expected * (reference.users + 1)) ** 2
    limit = max(
        settings.drift_outlier_ratio, 1 + _STANDARD_ERRORS * math.sqrt(variance_factor / expected + bound_variance)
    )
    measures.append(DriftMeasure("outlier_ratio", ratio, limit, ratio > limit))
    return measures


def _unseen(sample: pd.DataFrame, reference: TrainingReference, settings: Settings) -> DriftMeasure:
    hashes = sample["user_hash"].to_numpy(np.int64)
    within = hashes[hashes <= max(reference.seen_hashes, default=-1)]
    unseen = int(np.count_nonzero(~np.isin(within, np.array(reference.seen_hashes))))
    share = unseen / len(within) if len(within) else 1.0
    return DriftMeasure("unseen_share", share, settings.drift_unseen_share, share > settings.drift_unseen_share)


def _scored(sample: pd.DataFrame, model: Model) -> tuple[Counts, npt.NDArray[np.float64], int]:
    """Segment indices, squared distances to their centroids, and the number of outliers."""
    centroids = np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)
    nearest = nearest_centroids(scaled_matrix(sample, model.scaling), centroids)
    bounds = np.array([segment.outlier_distance for segment in model.segments])
    outliers = int(np.count_nonzero(np.sqrt(nearest.own_square) > bounds[nearest.own]))
    return nearest.own, nearest.own_square, outliers


def _message(measure: DriftMeasure) -> str:
    if measure.name == "distance_ratio":
        return f"the mean squared distance to centroids is {measure.value:.2f} times that of the reference"
    if measure.name == "outlier_ratio":
        return f"outliers are {measure.value:.1f} times as frequent as in the reference"
    if measure.name == "unseen_share":
        return f"{measure.value:.0%} of the users are not in the reference"
    subject = "segment shares" if measure.name == "psi_shares" else measure.name.removeprefix("psi_")
    return f"PSI of {subject} is {measure.value:.2f} (limit {measure.limit:.2f})"


def _values(sample: pd.DataFrame, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(sample[name].to_numpy(dtype=np.float64, na_value=np.nan))


def _mean(values: npt.NDArray[np.float64]) -> float:
    # fsum is exact, so the mean does not depend on the order of users.
    return math.fsum(values.tolist()) / len(values) if len(values) else 0.0
