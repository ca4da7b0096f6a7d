"""What a report says of its run before the plots: inputs, counts, segments, model."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from amzseg_pipeline.contracts.model import FeatureScaling
from amzseg_pipeline.contracts.promotion import Drift
from amzseg_pipeline.presentation.formatting import counted, percent
from amzseg_pipeline.presentation.labels import FEATURE_NAMES
from amzseg_pipeline.steps.figures.segments.data import SegmentData


def review_facts(
    inputs: Sequence[Mapping[str, Any]], *, row_reconciliation: str, currency: str | None
) -> dict[str, str]:
    """Of `inputs` the path, format, rows and sha256 are told."""
    lines = [
        f"{batch['path']} ({batch['format']}, {counted(batch['rows'], 'row')}, sha256 {batch['sha256'][:16]}…)"
        for batch in inputs
    ]
    return {"Inputs": "\n".join(lines), "Rows": row_reconciliation, "Currency": currency or "none: nothing was priced"}


def user_facts(users: int) -> dict[str, str]:
    """How many users there are."""
    return {"Users": f"{users:,}"}


def segment_facts(data: SegmentData) -> dict[str, str]:
    """The segments with their sizes and strategies, and the model behind them."""
    columns = (data.profiles[name].tolist() for name in ("segment_id", "segment_name", "users", "share", "strategy"))
    lines = [
        f"{segment} {name}: {counted(users, 'user')} ({percent(share)}); {strategy}"
        for segment, name, users, share, strategy in zip(*columns, strict=True)
    ]
    model = data.model
    return {
        "Segments": "\n".join(lines),
        "Model": f"{model.version}: KMeans on {counted(model.scaling.users, 'user')}, {model.trained_at}",
        "Number of segments": f"{model.choice.k}, {model.choice.rule}; confidence {model.choice.confidence}",
        "Features": _features(model.scaling),
    }


def history_facts(history: pd.DataFrame, drift: Drift) -> dict[str, str]:
    """How many nights the history (contracts.SEGMENT_HISTORY) holds, and what drift warned of."""
    runs = history.drop_duplicates("sequence")["as_of"]
    return {
        "Nights": f"{len(runs):,}, the first of {min(runs):%Y-%m-%d}",
        "Drift": "\n".join(drift.warnings) or drift.note or "no measure is beyond its limit",
    }


def _features(scaling: FeatureScaling) -> str:
    names = ", ".join(FEATURE_NAMES[feature.name] for feature in scaling.features)
    form = "as they are" if scaling.transform == "none" else "in logarithms, means of few reviews shrunk"
    dropped = [f"{FEATURE_NAMES[feature.name]} left out ({feature.reason})" for feature in scaling.dropped]
    return "; ".join([f"{names}, {form}", *dropped])
