"""Challengers: when a model is trained, how, with which ids and names, and how it compares with the champion.

Over 250 lines: training and comparison share the matched segments of champion and challenger.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import narwhals as nw
import numpy as np
import numpy.typing as npt
import pandas as pd

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionState
from amzseg_pipeline.contracts.reviews import RatingMeaning
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.segments.clusters.distances import Indices, nearest_centroids, squared_distances
from amzseg_pipeline.steps.segments.clusters.k_evidence import scaled_points
from amzseg_pipeline.steps.segments.clusters.kmeans import Clusters, clusters
from amzseg_pipeline.steps.segments.features.sampling import training_sample
from amzseg_pipeline.steps.segments.features.scaling import Matrix, in_standard_deviations, scaled_matrix
from amzseg_pipeline.steps.segments.lifecycle.drift import training_reference
from amzseg_pipeline.steps.segments.lifecycle.lineage import LineageMatch, lineage, lineage_match, next_segment_number
from amzseg_pipeline.steps.segments.lifecycle.migrations import with_previous_segments
from amzseg_pipeline.steps.segments.lifecycle.model_comparison import inertia_around, model_comparison, segment_means
from amzseg_pipeline.steps.segments.model.fit import cluster_model
from amzseg_pipeline.steps.segments.model.naming import named_segments
from amzseg_pipeline.steps.segments.model.serialization import model_version

PREVIOUS_SEGMENT = "before_segment_id"
"""Column of a sample: the user's segment in the previous snapshot; null for a new user."""

PREVIOUS_SINCE = "before_segment_since"
"""Column of a sample: since when the user has been in that segment; null for a new user."""


def challenger_of_run(
    user_features: nw.LazyFrame[Any],
    scaled: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    champion: Model | None,
    first_segment_number: int,
    promotion_state: PromotionState,
    previous_assignments: nw.LazyFrame[Any] | None,
    drift: Drift,
    now: datetime,
    training_requested: bool,
    approved_version: str,
    rating_meaning: RatingMeaning = "user",
) -> Challenger:
    """The challenger of this run, or the reason why none is trained.

    Args:
        user_features: contracts.USER_FEATURES of all users.
        scaled: contracts.SCALED_FEATURES, the training sample.
        scaling: The scaling behind `scaled`.
        settings: Settings of the run.
        champion: The current model, None in the first run.
        first_segment_number: Number of the first segment where there is no champion.
        promotion_state: The state that the previous run left.
        previous_assignments: contracts.SEGMENT_ASSIGNMENTS of the previous snapshot.
        drift: Drift measured in this run.
        now: Time of the run.
        training_requested: Train in any case.
        approved_version: Version of a pending model that this run promotes, or "".
        rating_meaning: Whose opinion a rating is; with "product", reviewers of one product are copies of each other.
    """
    is_due, reason = training_reason(
        champion, promotion_state, drift, settings, now=now, training_requested=training_requested
    )
    if approved_version:
        is_due, reason = False, f"this run promotes the approved model {approved_version}"
    if not is_due:
        return Challenger(reason, None, "", None)
    sample = training_sample(user_features, users=settings.training_users)
    joined = with_previous_segments(sample, previous_assignments).collect("pyarrow").to_native()
    return challenger(
        scaled,
        joined.to_pandas(types_mapper=pd.ArrowDtype),
        scaling,
        settings,
        champion=champion,
        first_segment_number=first_segment_number,
        drift=drift,
        reason=reason,
        trained_at=now.isoformat(timespec="seconds"),
        # Two threads take longer than one (9,050 users: 11.8 s against 9.4 s): short fits wait for the GIL.
        jobs=1,
        identical_together=rating_meaning == "product",
    )


def training_reason(
    champion: Model | None,
    promotion_state: PromotionState,
    drift: Drift,
    settings: Settings,
    *,
    now: datetime,
    training_requested: bool,
) -> tuple[bool, str]:
    """Whether to train a challenger in this run, and why.

    `challenger_days` counts calendar days, so a run that starts a minute early is not a day early. Drift trains a
    challenger when it begins, then every `drift_challenger_days`, whether or not another one is pending.

    Args:
        champion: The current model, None in the first run.
        promotion_state: The state that the previous run left.
        drift: Drift measured in this run.
        settings: Settings of the run.
        now: Time of the run.
        training_requested: Train in any case.
    """
    if champion is None:
        return True, "there is no champion yet"
    if training_requested:
        return True, "requested by the run's configuration"
    if promotion_state.challenger_settings != settings.model_hash:
        return True, "the settings that shape the model changed"
    days = (now.date() - datetime.fromisoformat(promotion_state.challenger_trained_at).date()).days
    if days >= settings.challenger_days:
        return True, f"the last challenger is {days} days old"
    if drift.triggers and (promotion_state.drift_runs == 0 or days >= settings.drift_challenger_days):
        return True, f"drift: {'; '.join(drift.triggers)}"
    rest = (
        f"drift triggers one after {settings.drift_challenger_days} days" if drift.triggers else "no drift triggers one"
    )
    return False, f"the last challenger is {days} days old, the settings are unchanged, {rest}"


def challenger(
    scaled: pd.DataFrame,
    sample: pd.DataFrame,
    scaling: FeatureScaling,
    settings: Settings,
    *,
    champion: Model | None,
    first_segment_number: int = 1,
    drift: Drift,
    reason: str,
    trained_at: str,
    jobs: int,
    identical_together: bool = False,
) -> Challenger:
    """A model of the training sample, compared with the champion.

    The better of a warm start from the champion's centroids and a cold start. The cold one wins if it lowers the
    inertia by more than `cold_start_gain`, or if k changes. A warm start keeps the champion's scaling unless drift
    triggered, so that no user moves because others changed. Segments that survive keep id and name.

    Args:
        scaled: contracts.SCALED_FEATURES of the training sample.
        sample: contracts.USER_FEATURES of the same users, with PREVIOUS_SEGMENT and, if
            known, PREVIOUS_SINCE if there is a champion.
        scaling: The scaling behind `scaled`.
        settings: Settings of the run.
        champion: The current model, None in the first run.
        first_segment_number: Number of the first segment where there is no champion.
        drift: Drift measured in this run.
        reason: Why the challenger is trained.
        trained_at: ISO time recorded in the model.
        jobs: Threads for the evidence of k.
        identical_together: Whether identical users are one observation.

    Raises:
        ModelError: `scaled` and `sample` have different users, or as fit.cluster_model.
    """
    scaled = scaled.sort_values("user_id", ignore_index=True)
    sample = sample.sort_values("user_id", ignore_index=True)
    if len(scaled) != len(sample) or not (scaled["user_id"] == sample["user_id"]).all():
        raise ModelError("scaled_features: its users are not those of the training sample; materialize it again.")
    champion_k = len(champion.segments) if champion else None
    cold = cluster_model(
        scaled,
        scaling,
        settings,
        trained_at=trained_at,
        jobs=jobs,
        champion_k=champion_k,
        identical_together=identical_together,
    )
    if champion is None:
        model = _numbered_from(first_segment_number, cold)
        return Challenger(reason, replace(model, reference=training_reference(sample, model)), "cold", None)
    clustering, used_scaling, start = _best_fit(scaled_points(scaled, scaling), sample, cold, champion, drift, settings)
    points = scaled_matrix(sample, used_scaling)
    champion_labels = nearest_centroids(scaled_matrix(sample, champion.scaling), _centroids(champion)).own
    means = segment_means(points, champion_labels, len(champion.segments))
    match = lineage_match(
        _overlap(sample, champion, clustering),
        _distances(means, clustering),
        champion,
        settings,
        long_standing=_overlap(sample[_is_long_standing(sample)], champion, clustering),
    )
    model = _model_of(clustering, match, replace(cold, scaling=used_scaling), champion)
    rows = np.sort(np.lexsort((sample["user_id"], sample["user_hash"]))[: settings.silhouette_users])
    return Challenger(
        reason=reason,
        model=replace(model, reference=training_reference(sample, model)),
        start=start,
        comparison=model_comparison(
            points,
            champion_labels,
            means,
            challenger=clustering,
            match=match,
            champion=champion,
            silhouette_rows=rows,
            null_silhouettes={evidence.k: evidence.null_silhouette for evidence in cold.choice.evidence},
        ),
        champion_reference=training_reference(sample, champion),
    )


def _numbered_from(first_number: int, model: Model) -> Model:
    segments = tuple(
        replace(segment, segment_id=f"S{number:04d}") for number, segment in enumerate(model.segments, first_number)
    )
    numbered = replace(model, segments=segments, version=model_version(model.scaling, segments))
    return replace(numbered, next_segment_number=next_segment_number(numbered))


def _best_fit(
    points: Matrix, sample: pd.DataFrame, cold: Model, champion: Model, drift: Drift, settings: Settings
) -> tuple[Clusters, FeatureScaling, Literal["warm", "cold"]]:
    """The clusters, the scaling of their centroids, and the start; `points` are scaled as in `cold`."""
    cold_clusters = _clusters_of(cold, points)
    if len(cold.segments) != len(champion.segments) or not points.shape[1]:
        return cold_clusters, cold.scaling, "cold"
    used = _kept_scaling(champion.scaling, cold.scaling, drift)
    centroids = in_standard_deviations(_centroids(champion), champion.scaling)
    column = {feature.name: centroids[:, i] for i, feature in enumerate(champion.scaling.features)}
    # A segment starts at its centroid in standard deviations, and at 0 on a feature that it did not have.
    unknown = np.zeros(len(centroids))
    start = np.column_stack([column.get(f.name, unknown) * f.weight for f in used.features])
    warm = clusters(scaled_matrix(sample, used), len(start), seed=settings.seed, n_init=1, start=start)
    warm_inertia = inertia_around(segment_means(points, warm.labels, len(start)), points, warm.labels)
    is_much_better = cold_clusters.inertia < (1 - settings.cold_start_gain) * warm_inertia
    return (cold_clusters, cold.scaling, "cold") if is_much_better else (warm, used, "warm")


def _kept_scaling(champions: FeatureScaling, fitted: FeatureScaling, drift: Drift) -> FeatureScaling:
    """The champion's scaling if it has the same features and nothing drifted, else the one fitted in this run."""
    same_axes = [f.name for f in champions.features] == [f.name for f in fitted.features]
    if drift.triggers or champions.transform != fitted.transform or not same_axes:
        return fitted
    return replace(fitted, features=champions.features)


def _clusters_of(model: Model, points: Matrix) -> Clusters:
    """The clusters behind a model."""
    return Clusters(
        centroids=_centroids(model),
        labels=nearest_centroids(points, _centroids(model)).own,
        sizes=tuple(segment.training_users for segment in model.segments),
        outlier_distances=tuple(segment.outlier_distance for segment in model.segments),
        inertia=model.inertia,
    )


def _overlap(sample: pd.DataFrame, champion: Model, clustering: Clusters) -> Indices:
    """Users in a segment in the previous snapshot and in a cluster now: segments x clusters."""
    index = {segment.segment_id: i for i, segment in enumerate(champion.segments)}
    previous = sample[PREVIOUS_SEGMENT].map(index).to_numpy(dtype=np.float64, na_value=np.nan)
    common = ~np.isnan(previous)
    overlap = np.zeros((len(index), len(clustering.sizes)), np.int64)
    np.add.at(overlap, (previous[common].astype(np.int64), clustering.labels[sample.index][common]), 1)
    return overlap


def _is_long_standing(sample: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether each user is in the half of the previous segment's members that has been there longest."""
    if PREVIOUS_SINCE not in sample:
        return np.ones(len(sample), np.bool_)
    since = pd.to_datetime(sample[PREVIOUS_SINCE]).astype("datetime64[s]")
    median = since.groupby(sample[PREVIOUS_SEGMENT].astype(object)).transform("median")
    return (since <= median).to_numpy(np.bool_)


def _distances(means: Matrix, clustering: Clusters) -> Matrix:
    """Distances of segment means to centroids: segments x clusters; infinite for an empty segment."""
    squares = squared_distances(means, clustering.centroids)
    return np.where(np.isfinite(squares), np.sqrt(squares), np.inf)


def _model_of(clustering: Clusters, match: LineageMatch, cold: Model, champion: Model) -> Model:
    """`cold` with the clusters `clustering` under the ids of the match; survivors keep their names."""
    kept = {j: champion.segments[i].name for j, i in enumerate(match.ancestors) if i is not None}
    named = named_segments(clustering.centroids, cold.scaling, kept=kept)
    segments = [
        Segment(
            segment_id=match.segment_ids[j],
            name=named[j].persona.name,
            strategy=named[j].persona.strategy,
            name_fit=named[j].name_fit,
            centroid=tuple(clustering.centroids[j].tolist()),
            training_users=clustering.sizes[j],
            outlier_distance=clustering.outlier_distances[j],
        )
        for j in range(len(clustering.sizes))
    ]
    by_id = tuple(sorted(segments, key=lambda segment: segment.segment_id))
    model = replace(
        cold,
        version=model_version(cold.scaling, by_id),
        segments=by_id,
        inertia=clustering.inertia,
        lineage=lineage(match, [segment.name for segment in segments], champion),
    )
    return replace(model, next_segment_number=max(next_segment_number(champion), next_segment_number(model)))


def _centroids(model: Model) -> Matrix:
    return np.array([segment.centroid for segment in model.segments]).reshape(len(model.segments), -1)
