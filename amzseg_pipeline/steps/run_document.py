"""run.json of a snapshot: what a run counted, checked, measured and decided."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport, PromotionState
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.steps.segments import document

PROMOTION_STATE_KEY = "promotion_state"
"""The key of what the next run must know."""


def run_document(
    *,
    row_reconciliation: RowReconciliation,
    checks: Iterable[Mapping[str, Any]],
    model: Model,
    drift: Drift,
    challenger: Challenger,
    report: PromotionReport,
    promotion_state: PromotionState,
    files: Mapping[str, Iterable[Any]],
) -> dict[str, Any]:
    """The document as plain JSON values.

    Args:
        row_reconciliation: where every raw row went.
        checks: the checks evaluated so far, each with asset, check, passed, blocking and description.
        model: the serving model.
        drift: the distance of users from those the champion was trained on.
        challenger: the challenger of the run, or why there is none; of its model only the version is kept.
        report: the decision of the promotion gate.
        promotion_state: what the next run must know.
        files: key of the document -> the files of the landing zone that were not read, as dataclasses.
    """
    return {
        "row_reconciliation": asdict(row_reconciliation),
        "checks": [dict(check) for check in checks],
        "k": asdict(model.choice),
        "drift": asdict(drift),
        "challenger": {**asdict(challenger), "model": report.challenger_version},
        "promotion": asdict(report),
        PROMOTION_STATE_KEY: document(promotion_state),
        **{key: [asdict(file) for file in listed] for key, listed in files.items()},
    }
