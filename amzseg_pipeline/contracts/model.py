"""A fitted model: feature scaling, segments, the choice of k, and the reference data for drift.

`model.json` has exactly these fields. Scoring uses nothing else.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat

MODEL_FORMAT = 1

Transform = Literal["identity", "log1p", "log2"]


@dataclass(frozen=True)
class Shrinkage:
    """Shrinkage of a user's mean towards the prior mean: (`reviews` x `mean` + n x value) / (`reviews` + n).

    n is the number of reviews behind the value. `reviews` is the weight of the prior in reviews. A user without a
    value gets `mean`.
    """

    mean: FiniteFloat
    reviews: FiniteFloat


@dataclass(frozen=True)
class ScaledFeature:
    """How one feature of user_features becomes one coordinate of the clusters.

    The value is transformed, shrunk and clipped to [`low`, `high`] (transformed units; None is no bound), then
    (value - `mean`) / `scale`. A null becomes `impute`, or the prior mean of `shrinkage`; exactly one of the two is
    set. engagement_score is total_reviews x the rating shrunk by `shrinkage`, then transformed. avg_spend with a
    `shrinkage` is the typical price. `weight` multiplies the scaled value, and so its part in distances.
    """

    name: str
    transform: Transform
    impute: FiniteFloat | None
    shrinkage: Shrinkage | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    mean: FiniteFloat
    scale: FiniteFloat
    weight: FiniteFloat = 1.0


@dataclass(frozen=True)
class DroppedFeature:
    """A feature that is not clustered, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeatureWarning:
    """A clustered feature that separates few users, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeatureScaling:
    """Everything fitted before clustering. `features` are in the order of contracts.users.FEATURES."""

    transform: Literal["none", "log"]
    features: tuple[ScaledFeature, ...]
    dropped: tuple[DroppedFeature, ...]
    warnings: tuple[FeatureWarning, ...]
    users: int


@dataclass(frozen=True)
class Segment:
    """One cluster with its id and name. `centroid` is in scaled units, in the order of the scaling's features."""

    segment_id: str
    name: str
    strategy: str
    name_fit: FiniteFloat
    centroid: tuple[FiniteFloat, ...]
    training_users: int
    outlier_distance: FiniteFloat


@dataclass(frozen=True)
class KEvidence:
    """Measures of one number of clusters on the selection sample; None if not measured.

    `sizes` counts users of the sample, `smallest_share` is a share of all users. `jaccard` belongs to the least stable
    cluster. `null_silhouette` is the silhouette of users from a single population. `prediction_strength_error` is the
    standard error over its splits. `separation` is the depth of the valley in the density of users between the
    two least separated clusters, from 0 to 1. `failed_criteria` describes each k criterion that fails; it is empty if k
    passes.
    """

    k: int
    inertia: FiniteFloat
    sizes: tuple[int, ...]
    smallest_share: FiniteFloat
    silhouette: FiniteFloat | None
    prediction_strength: FiniteFloat | None
    jaccard: FiniteFloat | None
    davies_bouldin: FiniteFloat | None
    calinski_harabasz: FiniteFloat | None
    failed_criteria: tuple[str, ...]
    null_silhouette: FiniteFloat | None = None
    prediction_strength_error: FiniteFloat | None = None
    separation: FiniteFloat | None = None


@dataclass(frozen=True)
class KLimits:
    """The range of k, and the lower limit of each k criterion."""

    k_min: int
    k_max: int
    prediction_strength: FiniteFloat
    jaccard: FiniteFloat
    silhouette: FiniteFloat
    silhouette_gain: FiniteFloat
    smallest_share: FiniteFloat
    separation: FiniteFloat = 0.0


@dataclass(frozen=True)
class KChoice:
    """The chosen number of clusters, the rule that chose it, and the choice of every other rule (None: no choice).

    `confidence` says how clearly segments are separated and how well they would come out again, not that there are
    exactly k types: "high" if k passes every k criterion, prediction strength by at least one standard error, and no
    larger k shows signs of valleys, "medium" if it passes or only the prediction strength misses its limit, by at most
    one standard error, else "low".
    `passing` are the numbers in the range that pass every criterion: the data supports each of them.
    """

    k: int
    rule: str
    confidence: Literal["high", "medium", "low"]
    knee: int | None
    knee_near_best_silhouette: int | None
    best_silhouette: int | None
    best_calinski_harabasz: int | None
    best_davies_bouldin: int | None
    largest_by_prediction_strength: int | None
    largest_by_jaccard: int | None
    evidence: tuple[KEvidence, ...]
    limits: KLimits | None = None
    passing: tuple[int, ...] = ()


@dataclass(frozen=True)
class LineageEvent:
    """What happened to a segment when this model replaced the previous one.

    `kept`, `split` and `born` describe a segment of this model; a split segment comes from `other_id`. `merged` and
    `died` describe a segment of the previous model; most users of a merged segment are now in `other_id`. `overlap` is
    the Jaccard index of the users of a kept segment, the share of users that a split or born segment got from its
    largest source, or the share of a merged or dead segment that went to its largest target. It is None if segments
    were matched by distance.
    """

    event: Literal["kept", "split", "born", "merged", "died"]
    segment_id: str
    name: str
    other_id: str | None
    overlap: FiniteFloat | None


@dataclass(frozen=True)
class FeatureReference:
    """Histogram of one feature at training. `users` counts users per bin; the last entry counts nulls.

    A bin is (previous edge, own edge]; the last bin has no upper edge.
    """

    name: str
    edges: tuple[FiniteFloat, ...]
    users: tuple[int, ...]


@dataclass(frozen=True)
class TrainingReference:
    """The training sample as drift compares with it: users with the smallest hashes, scored by the model.

    `segment_users` has one entry per segment of the model. `seen_hashes` are the smallest user hashes at training.
    """

    users: int
    features: tuple[FeatureReference, ...]
    segment_users: tuple[int, ...]
    mean_squared_distance: FiniteFloat
    sd_squared_distance: FiniteFloat
    outliers: int
    seen_hashes: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A segment model: scaling, segments in the order of their ids, and how it was trained.

    `version` is a hash of everything that scores (scaling, centroids, ids, names): equal models have equal versions.
    `next_segment_number` numbers the next new segment, so that ids are never reused.
    """

    version: str
    seed: int
    scaling: FeatureScaling
    segments: tuple[Segment, ...]
    choice: KChoice
    inertia: FiniteFloat
    trained_at: str
    libraries: dict[str, str]
    lineage: tuple[LineageEvent, ...] = ()
    next_segment_number: int = 0
    reference: TrainingReference | None = None
