"""What the UI shows of drift, a challenger, the gate's ledger and the lineage of segments: Markdown tables and figures.

Nothing is computed here; no assets.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionReport


def drift_metadata(drift: Drift) -> dict[str, Any]:
    """Every measure as a number over nights, and all of them with their limits."""
    rows = (f"| {f.name} | {f.value:.3f} | {f.limit:.3f} | {'warns' if f.warns else ''} |" for f in drift.figures)
    return {
        "users": drift.users,
        "champion": drift.champion or "none",
        "asks for a challenger": "; ".join(drift.triggers) or drift.note or "no",
        "drift": _table("measure | tonight | limit | ", rows),
        **{figure.name: figure.value for figure in drift.figures},
    }


def challenger_metadata(challenger: Challenger) -> dict[str, Any]:
    """Why there is one or none, how it was fitted and how it compares."""
    if challenger.model is None:
        return {"trained": False, "reason": challenger.reason}
    compared = asdict(challenger.comparison) if challenger.comparison else {}
    return {
        "trained": True,
        "reason": challenger.reason,
        "model_version": challenger.model.version,
        "start": challenger.start,
        "segments": len(challenger.model.segments),
        **{name: value for name, value in compared.items() if value is not None},
    }


def promotion_metadata(report: PromotionReport) -> dict[str, Any]:
    """The decision and every test."""
    rows = (
        f"| {test.name} | {test.kind} | {'' if test.value is None else f'{test.value:.4g}'} | {test.limit:g} | "
        f"{'passed' if test.passed else '**failed**'} | {test.meaning} |"
        for test in report.criteria
    )
    return {
        "decision": report.decision,
        "reason": report.reason,
        "champion": report.champion or "none",
        "challenger": report.challenger or "none",
        "report": _table("test | kind | value | limit | result | what it is", rows),
    }


def lineage_metadata(model: Model) -> dg.MarkdownMetadataValue:
    """What became of the segments of the model before."""
    rows = (
        f"| {event.event} | {event.segment_id} {event.name} | {event.other_id or ''} | "
        f"{'' if event.overlap is None else f'{event.overlap:.2f}'} |"
        for event in model.lineage
    )
    return _table("event | segment | other | overlap", rows)


def _table(head: str, rows: Iterable[str]) -> dg.MarkdownMetadataValue:
    rule = "|".join("---" for _ in head.split("|"))
    return dg.MetadataValue.md("\n".join([f"| {head} |", f"|{rule}|", *rows]))
