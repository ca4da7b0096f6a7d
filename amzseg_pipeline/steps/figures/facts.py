"""Facts of a run for the report: inputs, counts, segments, model, drift."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.presentation.formatting import counted, percent
from amzseg_pipeline.presentation.labels import FEATURE_NOUNS
from amzseg_pipeline.presentation.segment_texts import k_confidence_text
from amzseg_pipeline.steps.figures.segments.data import SegmentData

PRODUCT_RATINGS = "mean ratings of the products, not of the reviewers"
LISTING_PRICES = "prices of the listings at export, not what reviewers paid"


def has_product_ratings(formats: Iterable[str]) -> bool:
    """Whether an input of these formats states ratings of products: the Amazon Sales Dataset."""
    return any(name.startswith("Amazon Sales Dataset") for name in formats)


def review_facts(
    inputs: Sequence[Mapping[str, Any]], *, row_reconciliation: str, currency: str | None
) -> dict[str, str]:
    """Path, format, rows and sha256 of each input, the row reconciliation and the currency."""
    lines = [
        f"{batch['path']} ({batch['format']}, {counted(batch['rows'], 'row')}, sha256 {batch['sha256'][:16]}…)"
        for batch in inputs
    ]
    formats = {str(batch["format"]) for batch in inputs}
    meanings = {"Ratings": PRODUCT_RATINGS, "Prices": LISTING_PRICES} if has_product_ratings(formats) else {}
    return {
        "Rows": row_reconciliation,
        "Currency": currency or "none (no prices)",
        **meanings,
        "Inputs": "\n".join(lines),
    }


def user_facts(users: int) -> dict[str, str]:
    """The number of users."""
    return {"Users": f"{users:,}"}


def segment_facts(data: SegmentData) -> dict[str, str]:
    """Segments with sizes and strategies, and the model."""
    columns = (data.profiles[name].tolist() for name in ("segment_id", "segment_name", "users", "share", "strategy"))
    lines = [
        f"{segment} {name}: {counted(users, 'user')} ({percent(share)}); {strategy}"
        for segment, name, users, share, strategy in zip(*columns, strict=True)
    ]
    model = data.model
    return {
        "Segments": "\n".join(lines),
        "Number of segments": f"{model.choice.k}, {model.choice.rule}; {k_confidence_text(asdict(model.choice))}",
        "Features": _features(model.scaling),
        "Model": f"{model.version}: KMeans on {counted(model.scaling.users, 'user')}, {model.trained_at}",
    }


def history_facts(history: pd.DataFrame, drift: Drift) -> dict[str, str]:
    """The number of runs in the history (contracts.SEGMENT_HISTORY), and the drift warnings."""
    runs = history.drop_duplicates("sequence")["as_of"]
    return {
        "Runs": f"{len(runs):,}, the first on {min(runs):%Y-%m-%d}",
        "Drift": "\n".join(drift.warnings) or drift.note or "all measures are within their limits",
    }


def _features(scaling: FeatureScaling) -> str:
    names = ", ".join(FEATURE_NOUNS[feature.name] for feature in scaling.features)
    form = "untransformed" if scaling.transform == "none" else "log-transformed, means of few reviews shrunk"
    dropped = [f"{FEATURE_NOUNS[feature.name]} dropped ({feature.reason})" for feature in scaling.dropped]
    return "; ".join([f"{names}, {form}", *dropped])
