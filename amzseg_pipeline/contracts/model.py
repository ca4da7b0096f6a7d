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
class Model:
    """A segment model: scaling, segments in the order of their ids, and how it came about.

    `version` is derived from all that scores (scaling, centroids, ids, names), so equal models have equal versions.
    """

    version: str
    seed: int
    scaling: FeatureScaling
    segments: tuple[Segment, ...]
    choice: KChoice
    inertia: float
    trained_at: str
    libraries: dict[str, str]
