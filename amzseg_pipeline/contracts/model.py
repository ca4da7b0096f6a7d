"""What a fitted model is: the scaling of features, the segments, and the record of how k was chosen.

`model.json` holds exactly these fields; it is what scores users, everywhere.
"""

from dataclasses import dataclass
from typing import Literal

MODEL_FORMAT = 1

Transform = Literal["identity", "log1p", "log2"]


@dataclass(frozen=True)
class ScaledFeature:
    """How one feature of user_features becomes one axis of the clusters.

    A null takes `impute`; the value is transformed, clipped to [`low`, `high`] (in transformed units, None for no
    bound), and then (value - `mean`) / `scale`.
    """

    name: str
    transform: Transform
    impute: float
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
class FeatureScaling:
    """Everything fitted before clustering, in the order of contracts.users.FEATURES."""

    transform: Literal["none", "log"]
    features: tuple[ScaledFeature, ...]
    dropped: tuple[DroppedFeature, ...]
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
    """What one number of clusters looked like on the training sample; silhouette is None where it was not measured."""

    k: int
    inertia: float
    silhouette: float | None
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class KChoice:
    """The number of clusters chosen, by which rule, and what each rule alone would have said."""

    k: int
    rule: str
    knee: int | None
    best_silhouette: int | None
    evidence: tuple[KEvidence, ...]


@dataclass(frozen=True)
class Descent:
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
    lineage: tuple[Descent, ...] = ()
    next_segment_number: int = 0
    reference: TrainingReference | None = None
