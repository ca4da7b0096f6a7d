"""What the UI shows of a scaling and of the choice of the number of segments: Markdown tables and figures.

Nothing is computed here; no assets.
"""

from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.model import FeatureScaling, KChoice

RULES = {
    "knee": "knee of the inertia",
    "knee_near_best_silhouette": "knee, if its silhouette is near the best; else the best",
    "best_silhouette": "best silhouette",
    "best_calinski_harabasz": "best Calinski-Harabasz index",
    "best_davies_bouldin": "best Davies-Bouldin index",
    "largest_by_prediction_strength": "largest with enough prediction strength",
    "largest_by_jaccard": "largest with a stable Jaccard index",
}
"""Field of KChoice -> what the rule is."""


def scaling_metadata(scaling: FeatureScaling) -> dict[str, Any]:
    """What was fitted, dropped and warned of."""
    rows = (
        f"| {feature.name} | {feature.transform} | "
        + (f"{feature.shrinkage.reviews:.2f} | {feature.shrinkage.mean:.4g} |" if feature.shrinkage else "| |")
        for feature in scaling.features
    )
    return {
        "users": scaling.users,
        "transform": scaling.transform,
        "dropped": "; ".join(f"{feature.name}: {feature.reason}" for feature in scaling.dropped) or "none",
        "warnings": "; ".join(f"{feature.name}: {feature.reason}" for feature in scaling.warnings) or "none",
        "shrinkage": _table("feature | form | reviews the prior weighs | prior mean", rows),
    }


def choice_metadata(choice: KChoice) -> dict[str, Any]:
    """Every figure for every number of segments, what each rule alone says, and which was chosen and why."""
    names = (
        "k",
        "inertia",
        "silhouette",
        "of one kind",
        "prediction strength",
        "Jaccard",
        "smallest share",
        "Davies-Bouldin",
    )
    rows = (
        f"| {'**' + str(e.k) + '**' if e.k == choice.k else e.k} | {e.inertia:,.1f} | {_number(e.silhouette)} | "
        f"{_number(e.null_silhouette)} | {_number(e.prediction_strength)} | {_number(e.jaccard)} | "
        f"{e.smallest_share:.1%} | {_number(e.davies_bouldin)} | {_number(e.calinski_harabasz, '.1f')} | "
        f"{' / '.join(f'{n:,}' for n in e.sizes)} | {'; '.join(e.failed_criteria) or 'passes'} |"
        for e in choice.evidence
    )
    chosen = choice.evidence[choice.k - 1]
    figures = {
        "silhouette": chosen.silhouette,
        "prediction_strength": chosen.prediction_strength,
        "jaccard": chosen.jaccard,
        "smallest_share": chosen.smallest_share,
    }
    return {
        "chosen by": choice.rule,
        "k_confidence": choice.confidence,
        **{name: value for name, value in figures.items() if value is not None},
        "rules alone": _table(
            "rule | k", (f"| {rule} | {getattr(choice, field) or '-'} |" for field, rule in RULES.items())
        ),
        "evidence": _table(" | ".join((*names, "Calinski-Harabasz", "sizes in the sample", "promotion")), rows),
    }


def _table(head: str, rows: Any) -> dg.MarkdownMetadataValue:
    rule = "|".join("---" for _ in head.split("|"))
    return dg.MetadataValue.md("\n".join([f"| {head} |", f"|{rule}|", *rows]))


def _number(value: float | None, form: str = ".3f") -> str:
    return "" if value is None else format(value, form)
