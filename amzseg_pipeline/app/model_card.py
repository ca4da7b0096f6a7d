"""The model in words and figures: what it is, why it has this many segments, what the gate decided, and drift."""

from typing import Any

import pandas as pd
import streamlit as st

from amzseg_pipeline.app import charts
from amzseg_pipeline.app.components import facts, small_table
from amzseg_pipeline.app.formatting import FEATURE_WORDS, day, plain, share_of, spoken
from amzseg_pipeline.app.published_snapshot import Published
from amzseg_pipeline.contracts.model import ScaledFeature
from amzseg_pipeline.presentation.formatting import counted

_TRANSFORMS = {"identity": "as it is", "log1p": "logarithm of 1 + value", "log2": "logarithm to base 2"}
_EVIDENCE = {
    "k": ("Number", "segments"),
    "silhouette": ("Silhouette", "{:.3f}"),
    "null_silhouette": ("Were all of one kind", "{:.3f}"),
    "prediction_strength": ("Prediction strength", "{:.2f}"),
    "jaccard": ("Least stable (Jaccard)", "{:.2f}"),
    "inertia": ("Inertia", "{:,.0f}"),
    "smallest_share": ("Smallest segment", "share"),
}
_DECISIONS = {
    "PROMOTE": "The new model took over:",
    "HOLD": "The new model waits for a person:",
    "REJECT": "The new model was turned down:",
    "KEEP": "The model stays:",
}
_DRIFT = {
    "psi_shares": "Shares of the segments (PSI)",
    "distance_ratio": "Squared distance from the centres, against training",
    "outlier_ratio": "Outliers, against training",
    "unseen_share": "Part of users that training did not know",
}
_RULES = {
    "knee": "knee of the inertia",
    "knee_near_best_silhouette": "knee, if its silhouette is near the best",
    "best_silhouette": "best silhouette",
    "best_calinski_harabasz": "best Calinski-Harabasz",
    "best_davies_bouldin": "best Davies-Bouldin",
    "largest_by_prediction_strength": "most that another half of the data confirms",
    "largest_by_jaccard": "most that stay the same when users are drawn anew",
}


def model_card(shown: Published) -> None:
    """What the model is, what it was trained on and how it takes each feature."""
    model, choice = shown.model, shown.model.choice
    st.header("Model card", anchor=False)
    found = next((each for each in choice.evidence if each.k == choice.k), None)
    facts(
        {
            "Version": model.version,
            "Trained on": f"{model.scaling.users:,} users",
            "Trained": day(pd.Timestamp(model.trained_at).date()),
            "Segments": str(len(model.segments)),
            "Silhouette": "–" if found is None or found.silhouette is None else f"{found.silhouette:.3f}",
        }
    )
    st.markdown(
        "KMeans on the behaviour of users: each belongs to the nearest centre. It groups people who review and buy "
        "alike; it does not say why, and a user of one review tells little. The same data and settings give the same "
        f"segments again (seed {model.seed}; {plain(', '.join(f'{k} {v}' for k, v in model.libraries.items()))})."
    )
    small_table(
        ["Feature", "What it is", "How it is taken", "Mean", "1 sd"],
        [
            [
                FEATURE_WORDS[each.name].label,
                FEATURE_WORDS[each.name].meaning,
                _taken(each),
                f"{each.mean:,.2f}",
                f"{each.scale:,.2f}",
            ]
            for each in model.scaling.features
        ],
        texts=3,
    )
    for dropped in model.scaling.dropped:
        st.caption(f"Left out: {FEATURE_WORDS[dropped.name].label.lower()}, because {plain(dropped.reason)}.")
    st.subheader("Segments of the model", anchor=False)
    small_table(
        ["Segment", "Id", "Users trained on", "How well the name fits"],
        [[each.name, each.segment_id, f"{each.training_users:,}", share_of(each.name_fit)] for each in model.segments],
        texts=2,
        colours=[shown.colours[each.segment_id] for each in model.segments],
    )


def _taken(feature: ScaledFeature) -> str:
    shrunk = feature.shrinkage
    drawn = f", drawn to what is usual as by {shrunk.reviews:,.1f} more reviews" if shrunk else ""
    return _TRANSFORMS[feature.transform] + drawn


def choice_of_k(choice: dict[str, Any]) -> None:
    """The evidence for the number of segments: `k` of run.json."""
    evidence = choice.get("evidence") or []
    if not evidence:
        return
    st.header("Why this many segments", anchor=False)
    k = choice["k"]
    st.markdown(
        f"**{k}**: {plain(choice['rule'])}."
        + (" The evidence is weak; read the segments as a convention." if choice.get("confidence") == "low" else "")
    )
    columns = [name for name in _EVIDENCE if any(each.get(name) is not None for each in evidence)]
    small_table(
        [_EVIDENCE[name][0] for name in columns],
        [["–" if each.get(name) is None else _evidence(name, each[name]) for name in columns] for each in evidence],
        bold=[each["k"] == k for each in evidence],
    )
    said = "; ".join(f"{words}: {choice[name]}" for name, words in _RULES.items() if choice.get(name))
    said = plain(said[:1].upper() + said[1:])
    st.caption(f"What each rule alone would have said, among the numbers that the settings allow. {said}.")
    measured = [each for each in evidence if each.get("silhouette") is not None]
    charts.show(
        charts.lines_figure(
            [each["k"] for each in measured],
            {"Silhouette": [each["silhouette"] for each in measured]},
            colours={"Silhouette": charts.GREY},
            x_title="number of segments",
            y_title="silhouette",
        ),
        key="silhouettes",
        alt="Silhouette by number of segments.",
    )


def takeover(report: dict[str, Any], *, pending: dict[str, Any] | None) -> None:
    """What the gate decided: `gate` of run.json, and the model that waits for a person."""
    if not report.get("decision"):
        return
    st.header("Whether a new model takes over", anchor=False)
    decision = str(report["decision"])
    st.markdown(f"**{_DECISIONS.get(decision, decision)}** {_sentence(report.get('reason', ''))}.")
    if pending:
        version = plain(str(pending["model"]["version"]))
        st.info(
            f"Model {version} waits for a person to approve it: {_sentence(pending['report']['reason'])}.",
            icon=":material/approval:",
        )
    if criteria := report.get("criteria"):
        small_table(
            ["", "Test", "What is measured", "Value", "Limit"],
            [
                [
                    "✓" if test["passed"] else "✗",
                    spoken(test["name"]),
                    test.get("meaning", ""),
                    "–" if test.get("value") is None else _number(test["value"]),
                    _number(test["limit"]),
                ]
                for test in criteria
            ],
            texts=3,
        )


def drift_figures(drift: dict[str, Any]) -> None:
    """`drift` of run.json."""
    if not drift.get("figures"):
        return
    st.header("How far users are from those the model was trained on", anchor=False)
    st.markdown(
        "Drift warns and asks for a new model; it never stops a night. "
        + plain(" ".join(f"{warning[:1].upper()}{warning[1:]}." for warning in drift.get("warnings", ())))
    )
    small_table(
        ["", "What is measured", "Value", "Warns above"],
        [
            [
                "!" if figure["warns"] else "✓",
                _DRIFT.get(figure["name"]) or f"{FEATURE_WORDS[figure['name'].removeprefix('psi_')].label} (PSI)",
                f"{figure['value']:,.3f}",
                f"{figure['limit']:,.3f}",
            ]
            for figure in drift["figures"]
        ],
        texts=2,
    )


def _evidence(name: str, value: float) -> str:
    form = _EVIDENCE[name][1]
    if form == "segments":
        return counted(int(value), "segment")
    return share_of(value) if form == "share" else form.format(value)


def _number(value: float) -> str:
    """A count without decimals, a measure with three."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.3f}"


def _sentence(reason: object) -> str:
    return plain(str(reason).replace("_", " "))
