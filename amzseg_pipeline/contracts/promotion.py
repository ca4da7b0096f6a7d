"""What a night decides about its model: drift, a challenger, the gate's ledger, and what the next night must know."""

from dataclasses import dataclass
from typing import Literal

from amzseg_pipeline.contracts.model import Model

Decision = Literal["PROMOTE", "HOLD", "REJECT", "KEEP"]
"""What becomes of the challenger; KEEP where none was trained."""


@dataclass(frozen=True)
class DriftFigure:
    """One measure of drift, by its column in segment_history, with the value above which it warns."""

    name: str
    value: float
    limit: float
    warns: bool


@dataclass(frozen=True)
class Drift:
    """How far users are from those the champion was trained on. `note` says why where nothing was measured.

    `warnings` are sentences; `triggers` are those that ask for a challenger.
    """

    champion: str
    users: int
    figures: tuple[DriftFigure, ...]
    warnings: tuple[str, ...]
    triggers: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class ModelComparison:
    """Champion and challenger on tonight's training sample, in the challenger's scaled units.

    The champion's inertia is that of its segments around their own means. `moved_share` is the share of users whom the
    challenger alone puts elsewhere, by lineage. `survivors` are the champion's segments that live on; `centroid_shift`
    is the farthest that the mean of one moves, in standard deviations, None without any. A silhouette is None where it
    is not defined.
    """

    champion_inertia: float
    challenger_inertia: float
    champion_silhouette: float | None
    challenger_silhouette: float | None
    adjusted_rand: float
    moved_share: float
    centroid_shift: float | None
    survivors: int
    champion_k: int
    challenger_k: int


@dataclass(frozen=True)
class Challenger:
    """The model that asks to be tonight's, or None and why none was trained.

    `start` says which fit was taken: from the champion's centroids (warm) or from anew (cold).
    """

    reason: str
    model: Model | None
    start: Literal["warm", "cold", ""]
    comparison: ModelComparison | None


@dataclass(frozen=True)
class PromotionCriterion:
    """One line of the ledger: what was measured (None where it could not be), against which limit."""

    name: str
    kind: Literal["absolute", "relative"]
    value: float | None
    limit: float
    passed: bool
    meaning: str


@dataclass(frozen=True)
class PromotionReport:
    """What the gate decided and every figure behind it; versions are empty where there is no such model."""

    decision: Decision
    reason: str
    champion: str
    challenger: str
    criteria: tuple[PromotionCriterion, ...]


@dataclass(frozen=True)
class PendingModel:
    """A challenger that waits for a person, and the ledger that pending it; it can replace the champion named there."""

    model: Model
    report: PromotionReport


@dataclass(frozen=True)
class PromotionState:
    """What a night must know of those before, beside the champion; it travels in run.json.

    `approval_needed` says why no challenger is promoted without a person, empty where it may be.
    """

    pending: PendingModel | None = None
    challenger_trained_at: str = ""
    challenger_settings: str = ""
    approval_needed: str = ""
