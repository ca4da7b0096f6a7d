"""The model: what it is, the evidence for its number of segments, the promotion decision, and drift."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import facts, html_table
from amzseg_pipeline.app.published_snapshot import ShownSnapshot
from amzseg_pipeline.contracts.model import ScaledFeature
from amzseg_pipeline.presentation.formatting import (
    capitalized,
    counted,
    day,
    markdown_escaped,
    percent,
    sentence_case,
)
from amzseg_pipeline.presentation.labels import FEATURE_LABELS

_TRANSFORMS = {"identity": "none", "log1p": "logarithm of 1 + value", "log2": "logarithm to base 2"}
_EVIDENCE_COLUMNS = {
    "k": "Number",
    "silhouette": "Silhouette",
    "null_silhouette": "Silhouette of one population",
    "prediction_strength": "Prediction strength",
    "jaccard": "Least stable (Jaccard)",
    "inertia": "Inertia",
    "separation": "Separation",
    "smallest_share": "Smallest segment",
}
_EVIDENCE_FORMATS = {"inertia": "{:,.0f}", **dict.fromkeys(("prediction_strength", "jaccard", "separation"), "{:.2f}")}
_DECISIONS = {
    "PROMOTE": "The new model was promoted:",
    "HOLD": "The new model is pending approval:",
    "REJECT": "The new model was rejected:",
    "KEEP": "The model is unchanged:",
}
_DRIFT_LABELS = {
    "psi_shares": "Shares of the segments (PSI)",
    "distance_ratio": "Squared distance from the centres, relative to the reference",
    "outlier_ratio": "Outliers, relative to the reference",
    "unseen_share": "Share of users not in the reference",
}
_RULES = {
    "knee": "knee of the inertia",
    "knee_near_best_silhouette": "knee, if its silhouette is near the best",
    "best_silhouette": "best silhouette",
    "best_calinski_harabasz": "best Calinski-Harabasz index",
    "best_davies_bouldin": "best Davies-Bouldin index",
    "largest_by_prediction_strength": "largest number with sufficient prediction strength",
    "largest_by_jaccard": "largest number that is stable under resampling",
}


def model_card(shown: ShownSnapshot) -> None:
    """What the model is, what it was trained on, and how features are scaled."""
    model, choice = shown.model, shown.model.choice
    st.header("Model card", anchor=False)
    evidence = next((each for each in choice.evidence if each.k == choice.k), None)
    facts(
        {
            "Version": model.version,
            "Trained on": f"{model.scaling.users:,} users",
            "Trained": day(pd.Timestamp(model.trained_at).date()),
            "Segments": str(len(model.segments)),
            "Silhouette": "–" if evidence is None or evidence.silhouette is None else f"{evidence.silhouette:.3f}",
        }
    )
    libraries = markdown_escaped(", ".join(f"{name} {version}" for name, version in model.libraries.items()))
    st.markdown(
        "KMeans on the behaviour of users: each user belongs to the nearest centre. It groups users who review and buy "
        "in a similar way; it does not explain why, and a single review is little evidence. The same data and settings "
        f"give the same segments (seed {model.seed}; {libraries})."
    )
    html_table(
        ["Feature", "Description", "Transform", "Mean", "Standard deviation"],
        [
            [
                FEATURE_LABELS[feature.name].label,
                FEATURE_LABELS[feature.name].description,
                _transform(feature),
                f"{feature.mean:,.2f}",
                f"{feature.scale:,.2f}",
            ]
            for feature in model.scaling.features
        ],
        text_columns=3,
    )
    for dropped in model.scaling.dropped:
        st.caption(f"Left out: {FEATURE_LABELS[dropped.name].label.lower()} ({markdown_escaped(dropped.reason)}).")
    st.subheader("Segments of the model", anchor=False)
    html_table(
        ["Segment", "Id", "Training users", "Name fit"],
        [
            [segment.name, segment.segment_id, f"{segment.training_users:,}", percent(segment.name_fit, decimals=1)]
            for segment in model.segments
        ],
        text_columns=2,
        colours=[shown.colours[segment.segment_id] for segment in model.segments],
    )


def _transform(feature: ScaledFeature) -> str:
    shrinkage = feature.shrinkage
    shrunk = f", shrunk to the mean by {shrinkage.reviews:,.1f} reviews" if shrinkage else ""
    return _TRANSFORMS[feature.transform] + shrunk


def k_choice(choice: Mapping[str, Any]) -> None:
    """The evidence for the number of segments: `k` of run.json."""
    evidence = choice.get("evidence") or []
    if not evidence:
        return
    st.header("Why this many segments", anchor=False)
    k = choice["k"]
    st.markdown(
        f"**{counted(k, 'segment')}**: {markdown_escaped(choice['rule'])}."
        + (" The evidence is weak; read the segments as a convention." if choice.get("confidence") == "low" else "")
    )
    columns = [name for name in _EVIDENCE_COLUMNS if any(row.get(name) is not None for row in evidence)]
    html_table(
        [_EVIDENCE_COLUMNS[name] for name in columns],
        [["–" if row.get(name) is None else _evidence_text(name, row[name]) for name in columns] for row in evidence],
        bold=[row["k"] == k for row in evidence],
    )
    st.markdown("\n".join(f"- {_verdict(row, k)}" for row in evidence))
    rules = "; ".join(f"{label}: {choice[name]}" for name, label in _RULES.items() if choice.get(name))
    st.caption(
        "What each rule alone would choose among the numbers that the settings allow. "
        f"{markdown_escaped(capitalized(rules))}."
    )
    measured = [row for row in evidence if row.get("silhouette") is not None]
    charts.show(
        charts.lines_figure(
            [row["k"] for row in measured],
            {"Silhouette": [row["silhouette"] for row in measured]},
            colours={"Silhouette": charts.GREY},
            x_title="number of segments",
            y_title="silhouette",
        ),
        key="silhouettes",
        alt="Silhouette by number of segments.",
    )


def _verdict(row: Mapping[str, Any], k: int) -> str:
    """Why a number of segments is chosen or not, for example: 4 segments: prediction strength 0.69 is below 0.8."""
    failed = "; ".join(row["failed_criteria"])
    text = failed or (
        "meets every criterion" if row["k"] == k else "meets every criterion, but the rule prefers another"
    )
    return f"{counted(row['k'], 'segment')}{' (chosen)' if row['k'] == k else ''}: {markdown_escaped(text)}."


def promotion_decision(report: Mapping[str, Any], *, pending: Mapping[str, Any] | None) -> None:
    """The decision on a new model, `promotion` of run.json, and the model that is pending approval."""
    if not report.get("decision"):
        return
    st.header("Promotion of a new model", anchor=False)
    decision = str(report["decision"])
    st.markdown(f"**{_DECISIONS.get(decision, decision)}** {_reason(report.get('reason', ''))}.")
    if pending:
        version = markdown_escaped(str(pending["model"]["version"]))
        st.info(
            f"Model {version} is pending approval: {_reason(pending['report']['reason'])}.", icon=":material/approval:"
        )
    if criteria := report.get("criteria"):
        html_table(
            ["Result", "Criterion", "What is measured", "Value", "Limit"],
            [
                [
                    criterion["result"],
                    sentence_case(criterion["name"]),
                    "; waived: ".join(filter(None, (criterion["meaning"], criterion["waiver"]))),
                    "–" if criterion["value"] is None else _number(criterion["value"]),
                    "–" if criterion["limit"] is None else f"{criterion['bound']} {_number(criterion['limit'])}",
                ]
                for criterion in criteria
            ],
            text_columns=3,
        )


def drift_measures(drift: Mapping[str, Any]) -> None:
    """Drift from the reference: `drift` of run.json."""
    if not drift.get("measures"):
        return
    st.header("Drift", anchor=False)
    warnings = " ".join(f"{capitalized(warning)}." for warning in drift.get("warnings", ()))
    st.markdown(
        "How far users have moved from the reference: the users of the training, or of the last run that kept the "
        "model although drift persisted. Drift warns and may start a training; it never blocks publishing. "
        f"{markdown_escaped(warnings)}"
    )
    html_table(
        ["", "What is measured", "Value", "Warns above"],
        [
            ["!" if measure["warns"] else "✓", _drift_label(measure["name"]), *map(_measure, _value_and_limit(measure))]
            for measure in drift["measures"]
        ],
        text_columns=2,
    )


def _drift_label(name: str) -> str:
    return _DRIFT_LABELS.get(name) or f"{FEATURE_LABELS[name.removeprefix('psi_')].label} (PSI)"


def _value_and_limit(measure: Mapping[str, Any]) -> tuple[float, float]:
    return measure["value"], measure["limit"]


def _evidence_text(name: str, value: float) -> str:
    if name == "k":
        return counted(int(value), "segment")
    if name == "smallest_share":
        return percent(value, decimals=1)
    return _EVIDENCE_FORMATS.get(name, "{:.3f}").format(value)


def _number(value: float) -> str:
    """Counts without decimals, measures with three."""
    return f"{value:,.0f}" if float(value).is_integer() else _measure(value)


def _measure(value: float) -> str:
    return f"{value:,.3f}"


def _reason(reason: object) -> str:
    return markdown_escaped(str(reason).replace("_", " "))
