"""Models that older code published, in today's form: they score as they did, so a night can go on from them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from amzseg_pipeline.contracts.errors import ModelError

_FORMAT_1_CHOICE = (
    "knee_near_best_silhouette",
    "best_calinski_harabasz",
    "best_davies_bouldin",
    "largest_predicted",
    "largest_stable",
)
_FORMAT_1_EVIDENCE = ("prediction_strength", "jaccard", "davies_bouldin", "calinski_harabasz")


def from_format_1(document: Mapping[str, Any], *, place: str) -> dict[str, Any]:
    """The document of a model of format 1, without shrinkage and the tests of k, as one of format 2.

    Its version is that of its content, checked here; in today's form it has another one. Nobody tested its number of
    segments, so the confidence in it is low. Raises ModelError where the content is not that of the version.
    """
    try:
        scoring = {"scaling": document["scaling"], "segments": document["segments"]}
        text = json.dumps(scoring, sort_keys=True, separators=(",", ":"), allow_nan=False)
        is_complete = hashlib.sha256(text.encode()).hexdigest()[:12] == document["version"]
        scaling, choice = document["scaling"], document["choice"]
        upgraded = {
            **document,
            "format": 2,
            "scaling": {
                **scaling,
                "features": [{**feature, "shrinkage": None} for feature in scaling["features"]],
                "warnings": [],
            },
            "choice": {
                **choice,
                "confidence": "low",
                **dict.fromkeys(_FORMAT_1_CHOICE),
                "evidence": [_evidence(each) for each in choice["evidence"]],
            },
        }
    except (KeyError, TypeError, ValueError):
        is_complete = False
    if not is_complete:
        raise ModelError(f"{place}: it is no model of format 1 as it was published; restore the file.")
    return upgraded


def _evidence(given: Mapping[str, Any]) -> dict[str, Any]:
    share = min(given["sizes"]) / max(sum(given["sizes"]), 1)
    return {**given, "smallest_share": share, **dict.fromkeys(_FORMAT_1_EVIDENCE), "refusals": []}
