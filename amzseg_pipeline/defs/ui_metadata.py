"""Metadata that the Dagster UI shows: asset attributes, column schemas and the tables of each materialization.

Over 250 lines: one short function for each table that the UI shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling, KChoice, Model
from amzseg_pipeline.contracts.promotion import Challenger, Drift, PromotionCriterion, PromotionReport
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.contracts.schema import Column, Table
from amzseg_pipeline.defs.code_versions import CODE_VERSIONS
from amzseg_pipeline.presentation.formatting import markdown_escaped
from amzseg_pipeline.presentation.segment_texts import k_confidence_text
from amzseg_pipeline.steps.reviews import RowReconciliation
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.disk_usage import disk_use_bytes
from amzseg_pipeline.storage.landing import RawReviews
from amzseg_pipeline.storage.snapshots import Snapshot
from amzseg_pipeline.storage.snapshots.layout import snapshot_names

OWNERS = ["team:data-engineering"]

_MAX_LINES_SHOWN = 50
_BYTES_PER_MB = 1e6

_K_RULE_DESCRIPTIONS = {
    "knee": "knee of the inertia",
    "knee_near_best_silhouette": "knee, if its silhouette is near the best; else the best",
    "best_silhouette": "best silhouette",
    "best_calinski_harabasz": "best Calinski-Harabasz index",
    "best_davies_bouldin": "best Davies-Bouldin index",
    "largest_by_prediction_strength": "largest with enough prediction strength",
    "largest_by_jaccard": "largest with a stable Jaccard index",
}
"""Field of KChoice -> description of the rule."""


def table_asset_arguments(table: Table, *, stage: str, kinds: set[str]) -> dict[str, Any]:
    """The arguments of an asset that holds `table`."""
    return document_asset_arguments(table.description, stage=stage, kinds={"parquet", *kinds}) | {
        "metadata": {"dagster/table_name": table.name, "dagster/column_schema": _column_schema(table)}
    }


def document_asset_arguments(description: str, *, stage: str, kinds: set[str]) -> dict[str, Any]:
    """The arguments of an asset that is not a table."""
    return {
        "group_name": stage,
        "kinds": kinds,
        "owners": OWNERS,
        "description": description,
        "code_version": CODE_VERSIONS[stage],
    }


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=column.type,
                description=f"{column.description} [{column.unit}]" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=table.key == (column.name,), other=_range(column)
                ),
            )
            for column in table.columns
        ]
    )


def _range(column: Column) -> list[str]:
    ends = (("at least", column.minimum), ("at most", column.maximum))
    return [f"{label} {end:g}" for label, end in ends if end is not None]


def table_value(rows: Iterable[Mapping[str, Any]], *, columns: Sequence[str]) -> dg.TableMetadataValue:
    """A table for the UI. Cells are shown as they are; None is an empty cell."""
    records = [dg.TableRecord({name: "" if row[name] is None else row[name] for name in columns}) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns]))


def landing_log_lines(raw: RawReviews) -> list[str]:
    """Log lines: assumptions, refused and skipped files; if there are too many, the first ones and a count."""
    lines = [f"assumed: {assumption}" for assumption in raw.assumptions]
    lines += [f"refused: {file.path}: {file.reason}" for file in raw.refused]
    return _first_lines(lines + [f"skipped: {file.path}: {file.reason}" for file in raw.skipped])


def landing_metadata(raw: RawReviews, *, known_sha256: frozenset[str]) -> dict[str, Any]:
    """The files of the landing zone; `known_sha256` are the hashes of the batches in the previous snapshot."""
    batches = sorted(raw.batches, key=lambda batch: (batch.sha256 in known_sha256, batch.path))
    files = [
        {
            "file": batch.path,
            "content": "unchanged" if batch.sha256 in known_sha256 else "new",
            "format": batch.format,
            "bytes": batch.size_bytes,
            "rows": batch.rows,
        }
        for batch in batches[:_MAX_LINES_SHOWN]
    ]
    return {
        "files": table_value(files, columns=("file", "content", "format", "bytes", "rows")),
        "refused": dg.MetadataValue.md(_bullets([f"{file.path}: {file.reason}" for file in raw.refused])),
        "skipped": dg.MetadataValue.md(_bullets([f"{file.path}: {file.reason}" for file in raw.skipped])),
        "assumed": dg.MetadataValue.md(_bullets(raw.assumptions)),
        "files_read": len(raw.batches),
        "files_new": sum(batch.sha256 not in known_sha256 for batch in raw.batches),
        "files_refused": len(raw.refused),
        "files_skipped": len(raw.skipped),
        "records": raw.records,
        "read_errors": raw.read_errors,
        "currency": raw.currency or "none",
    }


def scaling_metadata(scaling: FeatureScaling) -> dict[str, Any]:
    """The fitted features, those dropped and the warnings."""
    rows = [
        {
            "feature": feature.name,
            "transform": feature.transform,
            "prior weight (reviews)": round(feature.shrinkage.reviews, 2) if feature.shrinkage else None,
            "prior mean": float(f"{feature.shrinkage.mean:.4g}") if feature.shrinkage else None,
        }
        for feature in scaling.features
    ]
    return {
        "users": scaling.users,
        "transform": scaling.transform,
        "dropped": "; ".join(f"{feature.name}: {feature.reason}" for feature in scaling.dropped) or "none",
        "warnings": "; ".join(f"{feature.name}: {feature.reason}" for feature in scaling.warnings) or "none",
        "shrinkage": table_value(rows, columns=("feature", "transform", "prior weight (reviews)", "prior mean")),
    }


def k_choice_metadata(choice: KChoice) -> dict[str, Any]:
    """The evidence for every number of segments, what each rule would choose, and the choice."""
    evidence = [
        {
            "k": row.k,
            "chosen": "chosen" if row.k == choice.k else None,
            "result": "; ".join(row.failed_criteria) or "passes",
            "inertia": round(row.inertia, 1),
            "silhouette": _rounded(row.silhouette),
            "silhouette of the null": _rounded(row.null_silhouette),
            "prediction strength": _rounded(row.prediction_strength),
            "Jaccard": _rounded(row.jaccard),
            "separation": _rounded(row.separation),
            "smallest share": f"{row.smallest_share:.1%}",
            "Davies-Bouldin": _rounded(row.davies_bouldin),
            "Calinski-Harabasz": _rounded(row.calinski_harabasz, 1),
            "sizes in the sample": " / ".join(f"{size:,}" for size in row.sizes),
        }
        for row in choice.evidence
    ]
    rules = [{"rule": rule, "k": getattr(choice, field) or None} for field, rule in _K_RULE_DESCRIPTIONS.items()]
    chosen = choice.evidence[choice.k - 1]
    figures = {
        "silhouette": chosen.silhouette,
        "prediction_strength": chosen.prediction_strength,
        "jaccard": chosen.jaccard,
        "smallest_share": chosen.smallest_share,
    }
    return {
        "k_rule": choice.rule,
        "k_confidence": choice.confidence,
        "k_passing": ", ".join(map(str, choice.passing)) or "none",
        **{name: value for name, value in figures.items() if value is not None},
        "k_by_rule": table_value(rules, columns=("rule", "k")),
        "k_evidence": table_value(evidence, columns=tuple(evidence[0])),
    }


def drift_metadata(drift: Drift) -> dict[str, Any]:
    """Every measure of drift with its limit; each value is separate metadata as well, which the UI plots."""
    rows = [
        {
            "measure": measure.name,
            "value": round(measure.value, 3),
            "limit": round(measure.limit, 3),
            "result": "warns" if measure.warns else "passes",
        }
        for measure in drift.measures
    ]
    return {
        "users": drift.users,
        "champion": drift.champion_version or "none",
        "challenger_triggers": "; ".join(drift.triggers) or drift.note or "none",
        "drift": table_value(rows, columns=("measure", "value", "limit", "result")),
        **{measure.name: measure.value for measure in drift.measures},
    }


def challenger_metadata(challenger: Challenger) -> dict[str, Any]:
    """Whether a challenger was trained, why, and how it compares with the champion."""
    if challenger.model is None:
        return {"trained": False, "reason": challenger.reason}
    comparison = asdict(challenger.comparison) if challenger.comparison else {}
    return {
        "trained": True,
        "reason": challenger.reason,
        "model_version": challenger.model.version,
        "start": challenger.start,
        "segments": len(challenger.model.segments),
        **{name: value for name, value in comparison.items() if value is not None},
    }


def promotion_metadata(report: PromotionReport) -> dict[str, Any]:
    """The decision, and an entry for every criterion: a table of them would leave little width for its texts."""
    return {
        "decision": report.decision,
        "reason": report.reason,
        "champion": report.champion_version or "none",
        "challenger": report.challenger_version or "none",
        **{criterion.name: _criterion_text(criterion) for criterion in report.criteria},
    }


def _criterion_text(criterion: PromotionCriterion) -> str:
    """For example `failed: 0.31, at most 0.1 (share of users moved by the model)`."""
    meaning = f"({criterion.meaning}){f'; waived: {criterion.waiver}' if criterion.waiver else ''}"
    if criterion.limit is None:
        return f"{criterion.result} {meaning}"
    value = "unknown" if criterion.value is None else f"{criterion.value:.4g}"
    return f"{criterion.result}: {value}, {criterion.bound} {criterion.limit:g} {meaning}"


def lineage_metadata(model: Model) -> dg.TableMetadataValue:
    """What became of the segments of the previous model."""
    rows = [
        {
            "event": event.event,
            "segment": f"{event.segment_id} {event.name}",
            "other": event.other_id or None,
            "overlap": _rounded(event.overlap, 2),
        }
        for event in model.lineage
    ]
    return table_value(rows, columns=("event", "segment", "other", "overlap"))


def algorithms_metadata(comparison: pd.DataFrame) -> dg.TableMetadataValue:
    """One row per algorithm; one that failed shows the reason only."""
    rows = []
    for row in comparison.astype(object).where(comparison.notna(), None).to_dict("records"):
        has_failed = row["failure"] is not None
        rows.append(
            {
                "algorithm": f"{row['algorithm']}({row['parameters']})",
                "clusters": None if has_failed else int(row["clusters"]),
                "sizes": row["sizes"],
                "failure": row["failure"],
                "noise": None if has_failed else f"{row['noise_share']:.1%}",
                "silhouette": _rounded(row["silhouette"]),
                "adjusted Rand, subsamples of 80%": _rounded(row["adjusted_rand_subsamples"]),
                "adjusted Rand, published segments": _rounded(row["adjusted_rand_champion"]),
                "seconds": _rounded(row["seconds"], 2),
            }
        )
    columns = (
        *("algorithm", "clusters", "sizes", "noise", "silhouette"),
        *("adjusted Rand, subsamples of 80%", "adjusted Rand, published segments", "seconds", "failure"),
    )
    return table_value(rows, columns=columns)


def snapshot_metadata(
    snapshot: Snapshot, raw: RawReviews, row_reconciliation: RowReconciliation, data_root: DataRoot
) -> dict[str, Any]:
    """The published segments, the rows and files behind them, and the disk use."""
    segments = [
        {
            "segment": row["segment_id"],
            "name": row["segment_name"],
            "users": int(row["users"]),
            "share": f"{row['share']:.1%}",
        }
        for row in snapshot.segment_profiles().to_dict("records")
    ]
    return {
        "dagster/uri": snapshot.path.as_uri(),
        "snapshot": snapshot.sequence,
        "segments": table_value(segments, columns=("segment", "name", "users", "share")),
        "model_version": snapshot.model_version,
        "k_confidence": k_confidence_text(snapshot.run()["k"]),
        "row_reconciliation": row_reconciliation.summary,
        "cleaned_reviews": row_reconciliation.cleaned,
        "rejected_share": round(row_reconciliation.loss_rates["rejected"], 5),
        "files_read": len(raw.batches),
        "files_refused": len(raw.refused),
        "files_skipped": len(raw.skipped),
        **{f"rows of {table.name}": snapshot.rows(table.name) for table in PUBLISHED_TABLES},
        "snapshots_kept": len(snapshot_names(data_root.published)),
        **disk_use_metadata(data_root),
    }


def disk_use_metadata(data_root: DataRoot) -> dict[str, float]:
    """Megabytes used by each directory, and megabytes free, as numbers, so that the UI plots them over runs."""
    return {f"disk: {name} MB": round(size / _BYTES_PER_MB, 1) for name, size in disk_use_bytes(data_root).items()}


def disk_use_message(data_root: DataRoot) -> str:
    """The same as one line of text."""
    sizes = (f"{name} {size / _BYTES_PER_MB:,.1f} MB" for name, size in disk_use_bytes(data_root).items())
    return f"disk use: {', '.join(sizes)}"


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(float(value), digits)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_escaped(line)}" for line in _first_lines(lines)) or "none"


def _first_lines(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MAX_LINES_SHOWN
    return [*lines[:_MAX_LINES_SHOWN], *([f"{more:,} more"] if more > 0 else [])]
