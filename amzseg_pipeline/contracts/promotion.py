"""Model promotion: drift, the challenger, the promotion report, and the state carried to the next run."""

from dataclasses import dataclass
from typing import Literal

from pydantic import FiniteFloat

from amzseg_pipeline.contracts.model import Model, TrainingReference

Decision = Literal["PROMOTE", "HOLD", "REJECT", "KEEP"]
"""KEEP: there is no challenger, it equals the champion, or drift persists and it is not better."""


@dataclass(frozen=True)
class DriftMeasure:
    """One drift measure, named as its column in segment_history, with its warning limit."""

    name: str
    value: FiniteFloat
    limit: FiniteFloat
    warns: bool


@dataclass(frozen=True)
class Drift:
    """How far users have moved from the champion's reference: its training users, or those of a later run that kept it.

    `warnings` are messages, `triggers` those that start the training of a challenger. `note` explains missing measures.
    """

    champion_version: str
    users: int
    measures: tuple[DriftMeasure, ...]
    warnings: tuple[str, ...]
    triggers: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class ModelComparison:
    """Champion and challenger on the training sample of this run, in the challenger's scaled units.

    The champion's inertia is measured around the means of its segments. `moved_share` is the share of users that the
    challenger alone assigns to another segment, by lineage. `survivors` counts the champion's segments that the
    challenger keeps; `centroid_shift` is the largest shift of their means in standard deviations (None without
    survivors). A silhouette is None if it is not defined; a gain is a silhouette minus that of a single population in
    as many clusters, by which models with different k are compared.
    """

    champion_inertia: FiniteFloat
    challenger_inertia: FiniteFloat
    champion_silhouette: FiniteFloat | None
    challenger_silhouette: FiniteFloat | None
    adjusted_rand: FiniteFloat
    moved_share: FiniteFloat
    centroid_shift: FiniteFloat | None
    survivors: int
    champion_k: int
    challenger_k: int
    champion_gain: float | None = None
    challenger_gain: float | None = None


@dataclass(frozen=True)
class Challenger:
    """A newly trained model, or None with the reason why none was trained.

    `start` is "warm" if the fit started from the champion's centroids, "cold" if from random ones. `champion_reference`
    describes the users of this run, scored by the champion, for drift from now on if the champion stays.
    """

    reason: str
    model: Model | None
    start: Literal["warm", "cold", ""]
    comparison: ModelComparison | None
    champion_reference: TrainingReference | None = None


CriterionResult = Literal["passed", "failed", "waived"]
"""A criterion is waived if its limit is not met, and something else makes that irrelevant."""


@dataclass(frozen=True)
class PromotionCriterion:
    """One line of the promotion report: the measured value (None if not measurable), and its bound and limit.

    The limit is None if nothing is measured. `waiver` says why a criterion is waived.
    """

    name: str
    kind: Literal["absolute", "relative"]
    value: FiniteFloat | None
    bound: Literal["at least", "at most", "exactly"]
    limit: FiniteFloat | None
    result: CriterionResult
    meaning: str
    waiver: str = ""


@dataclass(frozen=True)
class PromotionReport:
    """The promotion decision with every criterion; a version is empty if there is no such model."""

    decision: Decision
    reason: str
    champion_version: str
    challenger_version: str
    criteria: tuple[PromotionCriterion, ...]


@dataclass(frozen=True)
class PendingModel:
    """A challenger pending approval and its report. It can replace the champion that the report names.

    `since` is the ISO time since which a model is pending without a decision; `better_since` that since which every
    challenger was better than the champion, empty after one that was not. `settings` is the hash of the settings that
    the model was made with.
    """

    model: Model
    report: PromotionReport
    since: str = ""
    better_since: str = ""
    settings: str = ""


@dataclass(frozen=True)
class PromotionState:
    """State carried from run to run in run.json, in addition to the champion.

    `champion_settings` is the hash of the settings that the champion was made with, `challenger_settings` that of the
    last challenger; a champion without one counts as made with the current settings. `approval_needed` says why a
    promotion needs approval; it is empty if none is needed. `drift_runs` counts the runs with drift since `drift_since`
    (ISO time), without a break, a promotion or a new reference of the champion; `runs_since_promotion` counts the runs
    since a promotion that moved users.
    """

    pending: PendingModel | None = None
    challenger_trained_at: str = ""
    challenger_settings: str = ""
    approval_needed: str = ""
    drift_since: str = ""
    drift_runs: int = 0
    runs_since_promotion: int = 0
    champion_settings: str = ""
