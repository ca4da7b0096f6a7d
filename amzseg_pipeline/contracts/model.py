"""What a fitted model is: the scaling of features, the segments, and the record of how k was chosen.

`model.json` holds exactly these fields; it is what scores users, everywhere.
"""

from dataclasses import dataclass
from typing import Literal

MODEL_FORMAT = 2

Transform = Literal["identity", "log1p", "log2"]


@dataclass(frozen=True)
class Shrinkage:
    """How a mean of few values is drawn to what is usual: (`reviews` x `mean` + n x value) / (`reviews` + n).

    `mean` is the prior mean of all reviews, `reviews` how many of a user's own weigh as much as it; n is the number of
    reviews behind the user's value, and a user without one is at `mean`.
    """

    mean: float
    reviews: float


@dataclass(frozen=True)
class ScaledFeature:
    """How one feature of user_features becomes one axis of the clusters.

    The value is transformed, shrunk, clipped to [`low`, `high`] (in transformed units, None for no bound), and then
    (value - `mean`) / `scale`. A null takes `impute` first, or by `shrinkage` the prior mean: one of the two is None.
    The shrinkage of engagement_score is that of the rating in it: it is total_reviews x the shrunk rating, transformed.
    """

    name: str
    transform: Transform
    impute: float | None
    shrinkage: Shrinkage | None
    low: float | None
    high: float | None
    mean: float
    scale: float


@dataclass(frozen=True)
class DroppedFeature:
    """A feature left out of the clusters, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeatureWarning:
    """A feature that is kept, and why it tells little."""

    name: str
    reason: str


@dataclass(frozen=True)
class FeatureScaling:
    """Everything fitted before clustering, in the order of contracts.users.FEATURES."""

    transform: Literal["none", "log"]
    features: tuple[ScaledFeature, ...]
    dropped: tuple[DroppedFeature, ...]
    warnings: tuple[FeatureWarning, ...]
    users: int


@dataclass(frozen=True)
class Segment:
    """One cluster with its identity. `centroid` is in scaled units, in the order of the scaling's features."""

    segment_id: str
    name: str
    strategy: str
    name_fit: float
    centroid: tuple[float, ...]
    training_users: int
    outlier_distance: float


@dataclass(frozen=True)
class KEvidence:
    """What one number of clusters looked like on the sample for choosing k; None where it was not measured.

    `sizes` are users of the sample, `smallest_share` is of all users. `jaccard` is that of the least stable cluster.
    `reference_silhouette` is what the silhouette would be if users were of one kind. `refusals` are the tests of the
    gate it fails, in words: none means that it is in the gate.
    """

    k: int
    inertia: float
    sizes: tuple[int, ...]
    smallest_share: float
    silhouette: float | None
    prediction_strength: float | None
    jaccard: float | None
    davies_bouldin: float | None
    calinski_harabasz: float | None
    failed_criteria: tuple[str, ...]
    null_silhouette: float | None = None


@dataclass(frozen=True)
class KLimits:
    """Which numbers of clusters may be chosen, and the least that one must reach in each test of the gate."""

    k_min: int
    k_max: int
    prediction_strength: float
    jaccard: float
    silhouette: float
    silhouette_gain: float
    smallest_share: float


@dataclass(frozen=True)
class KChoice:
    """The number of clusters chosen, by which rule, and what each rule alone would have said (None for nothing).

    `confidence` is "high" where the number chosen passes every test of the gate; `limits` are those of the tests.
    """

    k: int
    rule: str
    confidence: Literal["high", "low"]
    knee: int | None
    knee_near_best_silhouette: int | None
    best_silhouette: int | None
    best_calinski_harabasz: int | None
    best_davies_bouldin: int | None
    largest_by_prediction_strength: int | None
    largest_by_jaccard: int | None
    evidence: tuple[KEvidence, ...]
    limits: KLimits | None = None


@dataclass(frozen=True)
class LineageEvent:
    """What became of a segment when this model took the place of the one before.

    `kept`, `split` and `born` tell of a segment of this model; a split one comes from `other_id`. `merged` and `died`
    tell of a segment of the model before; most users of a merged one are in `other_id` now. `overlap` is the Jaccard
    index of the users of a kept segment, the share of a split one that came from the other, or the share of a merged
    or dead one that went to one place; None where segments were matched by their distance.
    """

    event: Literal["kept", "split", "born", "merged", "died"]
    segment_id: str
    name: str
    other_id: str | None
    overlap: float | None


@dataclass(frozen=True)
class FeatureReference:
    """How one feature was spread at training: `users` per bin, and last of all the users without a value.

    A bin holds values above the edge before it, up to and with its own; the last one has no upper edge.
    """

    name: str
    edges: tuple[float, ...]
    users: tuple[int, ...]


@dataclass(frozen=True)
class TrainingReference:
    """What drift is measured against: users of smallest hash as they were when the model was trained, and scored by it.

    `segment_users` has one number per segment of the model. `seen_hashes` are the smallest hashes of users there were.
    """

    users: int
    features: tuple[FeatureReference, ...]
    segment_users: tuple[int, ...]
    mean_squared_distance: float
    sd_squared_distance: float
    outliers: int
    seen_hashes: tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """A segment model: scaling, segments in the order of their ids, and how it came about.

    `version` is derived from all that scores (scaling, centroids, ids, names), so equal models have equal versions.
    `next_segment_number` is the number of the next new segment: ids of segments that are gone are never given again.
    A field with a default may lack in a document: models written before the field was there are read all the same.
    """

    version: str
    seed: int
    scaling: FeatureScaling
    segments: tuple[Segment, ...]
    choice: KChoice
    inertia: float
    trained_at: str
    libraries: dict[str, str]
    lineage: tuple[LineageEvent, ...] = ()
    next_segment_number: int = 0
    reference: TrainingReference | None = None
