"""A model that asks to be tonight's: when one is trained, how, with whose ids and names, and how it compares."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

import numpy as np
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionState
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.distances import Indices, nearest_centroids, squared_distances
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters, clusters
from amzseg_pipeline.steps.segments.features.scaling import Matrix, scaled_matrix
from amzseg_pipeline.steps.segments.lifecycle.drift import training_reference
from amzseg_pipeline.steps.segments.lifecycle.lineage import LineageMatch, lineage, lineage_match, next_segment_number
from amzseg_pipeline.steps.segments.lifecycle.model_comparison import model_comparison, own_inertia, segment_means
from amzseg_pipeline.steps.segments.lifecycle.promotion_state import pending_model
from amzseg_pipeline.steps.segments.model.fit import cluster_model
from amzseg_pipeline.steps.segments.model.naming import named_segments
from amzseg_pipeline.steps.segments.model.serialization import model_version

BEFORE = "before_segment_id"
"""Column of a sample: the segment that the last snapshot had the user in; null for a new user."""


def training_reason(
    champion: Model | None,
    promotion_state: PromotionState,
    drift: Drift,
    settings: Settings,
    *,
    now: datetime,
    forced: bool,
) -> tuple[bool, str]:
    """Whether to train a challenger tonight, and why or why not.

    `challenger_days` are counted in dates, so that a night that starts a minute early is not a night too early. Drift
    alone trains none while one waits for a person: it would take the waiting one's place every night.
    """
    if champion is None:
        return True, "there is no champion yet"
    if forced:
        return True, "somebody asked for it"
    if promotion_state.challenger_settings != settings.model_hash:
        return True, "the settings that shape the model changed"
    days = (now.date() - datetime.fromisoformat(promotion_state.challenger_trained_at).date()).days
    if days >= settings.challenger_days:
        return True, f"the last one is {days} days old"
    waiting = pending_model(promotion_state, champion)
    if drift.triggers and waiting is None:
        return True, f"drift: {'; '.join(drift.triggers)}"
    rest = f"model {waiting.version} waits for a person" if waiting else "no drift asks for one"
    return False, f"the last one is {days} days old, the settings are the same, {rest}"


def challenger(
    scaled: pd.DataFrame,
    sample: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    champion: Model | None,
    drift: Drift,
    reason: str,
    trained_at: str,
    jobs: int,
) -> Challenger:
    """A model of the training sample, given scaled (contracts.SCALED_FEATURES) and as it is (with BEFORE).

    The better of a fit that starts from the champion's centroids and one from anew: the latter where it lowers the
    inertia by more than `cold_start_gain`, or the number of segments changes. The former keeps the champion's priors,
    limits, means and scales, so that nobody moves because others did, unless drift says that users are others.
    Survivors keep id and name. Raises ModelError as fitting.cluster_model.
    """
    scaled = scaled.sort_values("user_id", ignore_index=True)
    sample = sample.sort_values("user_id", ignore_index=True)
    if len(scaled) != len(sample) or not (scaled["user_id"] == sample["user_id"]).all():
        raise ModelError("scaled_features: its users are not those of the training sample; materialise it again.")
    kept_k = len(champion.segments) if champion else None
    cold = cluster_model(scaled, scaling, settings, trained_at=trained_at, jobs=jobs, champion_k=kept_k)
    if champion is None:
        model = replace(cold, next_segment_number=next_segment_number(cold))
        return Challenger(reason, replace(model, reference=training_reference(sample, model)), "cold", None)
    found, used, start = _best_fit(scaled_points(scaled, scaling), sample, cold, champion, drift, settings)
    points = scaled_matrix(sample, used)
    was = _places(sample, champion)
    means = segment_means(points, was, len(champion.segments))
    event = lineage_match(_overlap(sample, champion, found), _distances(means, found), champion, settings)
    model = _model_of(found, event, replace(cold, scaling=used), champion)
    few = np.sort(np.lexsort((sample["user_id"], sample["user_hash"]))[: settings.silhouette_users])
    return Challenger(
        reason=reason,
        model=replace(model, reference=training_reference(sample, model)),
        start=start,
        comparison=model_comparison(points, was, found, event, champion, few=few),
    )


def _best_fit(
    points: Matrix, sample: pd.DataFrame, cold: Model, champion: Model, drift: Drift, settings: Settings
) -> tuple[Clusters, FeatureScaling, Literal["warm", "cold"]]:
    """The clusters, the scaling that their centroids are in, and how they were found; `points` are in `cold`'s."""
    anew = _clusters_of(cold, points)
    if len(cold.segments) != len(champion.segments) or not points.shape[1]:
        return anew, cold.scaling, "cold"
    used = _kept_scaling(champion.scaling, cold.scaling, drift)
    kept = {feature.name: i for i, feature in enumerate(champion.scaling.features)}
    # A segment starts where it stood among users, in standard deviations; in the middle of what was no axis then.
    begin = np.array(
        [
            [segment.centroid[kept[feature.name]] if feature.name in kept else 0.0 for feature in used.features]
            for segment in champion.segments
        ]
    )
    warm = clusters(scaled_matrix(sample, used), len(begin), seed=settings.seed, n_init=1, start=begin)
    is_far_better = anew.inertia < (1 - settings.cold_start_gain) * own_inertia(points, warm.labels, len(begin))
    return (anew, cold.scaling, "cold") if is_far_better else (warm, used, "warm")


def _kept_scaling(champions: FeatureScaling, tonights: FeatureScaling, drift: Drift) -> FeatureScaling:
    """The champion's axes, where they are those of tonight and users are still those they were fitted on."""
    same_axes = [f.name for f in champions.features] == [f.name for f in tonights.features]
    if drift.triggers or champions.transform != tonights.transform or not same_axes:
        return tonights
    return replace(tonights, features=champions.features)


def _clusters_of(model: Model, points: Matrix) -> Clusters:
    """The clusters that the model was made of, before they had ids."""
    return Clusters(
        centroids=_centroids(model),
        labels=nearest_centroids(points, _centroids(model)).own,
        sizes=tuple(segment.training_users for segment in model.segments),
        outlier_distances=tuple(segment.outlier_distance for segment in model.segments),
        inertia=model.inertia,
    )


def _overlap(sample: pd.DataFrame, champion: Model, found: Clusters) -> Indices:
    """Users whom the last snapshot had in a segment and who are in a cluster now: segments x clusters."""
    place = {segment.segment_id: i for i, segment in enumerate(champion.segments)}
    before = sample[BEFORE].map(place).to_numpy(dtype=np.float64, na_value=np.nan)
    common = ~np.isnan(before)
    overlap = np.zeros((len(place), len(found.sizes)), np.int64)
    np.add.at(overlap, (before[common].astype(np.int64), found.labels[common]), 1)
    return overlap


def _distances(means: Matrix, found: Clusters) -> Matrix:
    """Segments x clusters: distances of means to centroids; infinite for a segment nobody is in."""
    squares = squared_distances(means, found.centroids)
    return np.where(np.isfinite(squares), np.sqrt(squares), np.inf)


def _model_of(found: Clusters, event: LineageMatch, cold: Model, champion: Model) -> Model:
    """`cold` with the clusters found, under the ids of the family; survivors keep their names."""
    kept = {j: champion.segments[i].name for j, i in enumerate(event.ancestors) if i is not None}
    named = named_segments(found.centroids, cold.scaling, kept=kept)
    segments = [
        Segment(
            segment_id=event.segment_ids[j],
            name=named[j].persona.name,
            strategy=named[j].persona.strategy,
            name_fit=named[j].name_fit,
            centroid=tuple(found.centroids[j].tolist()),
            training_users=found.sizes[j],
            outlier_distance=found.outlier_distances[j],
        )
        for j in range(len(found.sizes))
    ]
    by_id = tuple(sorted(segments, key=lambda segment: segment.segment_id))
    model = replace(
        cold,
        version=model_version(cold.scaling, by_id),
        segments=by_id,
        inertia=found.inertia,
        lineage=lineage(event, [segment.name for segment in segments], champion),
    )
    return replace(model, next_segment_number=max(next_segment_number(champion), next_segment_number(model)))


def _places(sample: pd.DataFrame, model: Model) -> Indices:
    return nearest_centroids(scaled_matrix(sample, model.scaling), _centroids(model)).own


def _centroids(model: Model) -> Matrix:
    return np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)
