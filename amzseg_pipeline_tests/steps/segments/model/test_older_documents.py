import hashlib
import json
from typing import Any

import pytest

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.steps.segments import model_document, model_from_document
from amzseg_pipeline_tests.steps.segments.users import as_json

FEATURES = ("total_reviews", "avg_rating", "avg_discount", "avg_spend", "engagement_score")


def format_1() -> dict[str, Any]:
    """A model as code of contract 1.0 published it."""
    scale = {"transform": "identity", "low": None, "high": None, "mean": 1.5, "scale": 0.25}
    scaling = {
        "transform": "none",
        "features": [{"name": name, "impute": 1.0, **scale} for name in FEATURES[1:]],
        "dropped": [{"name": "total_reviews", "reason": "users do not differ"}],
        "users": 12,
    }
    segments = [
        {
            "segment_id": f"S000{number}",
            "name": name,
            "strategy": "coupons",
            "name_fit": 0.5,
            "centroid": [0.1 * number] * 4,
            "training_users": 6,
            "outlier_distance": 1.0,
        }
        for number, name in ((1, "Deal Seekers"), (2, "Casual Buyers"))
    ]
    evidence = [{"k": 2, "inertia": 3.0, "silhouette": 0.4, "sizes": [8, 4]}]
    text = json.dumps({"scaling": scaling, "segments": segments}, sort_keys=True, separators=(",", ":"))
    return {
        "format": 1,
        "version": hashlib.sha256(text.encode()).hexdigest()[:12],
        "seed": 42,
        "scaling": scaling,
        "segments": segments,
        "choice": {"k": 2, "rule": "the knee", "knee": 2, "best_silhouette": 2, "evidence": evidence},
        "inertia": 3.0,
        "trained_at": "2025-01-01T00:00:00+00:00",
        "libraries": {"numpy": "2.0"},
    }


def test_a_model_of_before_scores_as_it_did_under_the_version_of_its_new_form() -> None:
    model = model_from_document(format_1(), place="model.json")
    assert [segment.name for segment in model.segments] == ["Deal Seekers", "Casual Buyers"]
    assert [feature.impute for feature in model.scaling.features] == [1.0] * 4
    assert {feature.shrinkage for feature in model.scaling.features} == {None}
    assert (model.choice.confidence, model.choice.evidence[0].smallest_share) == ("low", pytest.approx(1 / 3))
    assert (model.lineage, model.reference) == ((), None)
    assert model_from_document(as_json(model_document(model)), place="model.json") == model


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["segments"][0].update(centroid=[0.2] * 4),
        lambda document: document.update(version="0" * 12),
        lambda document: document.pop("choice"),
        lambda document: document.pop("segments"),
        lambda document: document.update(choice=[]),
        lambda document: document["scaling"].pop("features"),
        lambda document: document["choice"]["evidence"][0].update(sizes=[]),
    ],
)
def test_a_model_of_before_that_was_changed_is_refused(change) -> None:
    document = format_1()
    change(document)
    with pytest.raises(ModelError, match=r"^model\.json: it is no model of format 1 as it was published"):
        model_from_document(document, place="model.json")
