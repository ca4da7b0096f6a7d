import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import Model
from amzseg_pipeline.steps.segments.model.serialization import (
    feature_scaling_document,
    feature_scaling_from_document,
    model_document,
    model_from_document,
    model_version,
)
from amzseg_pipeline_tests.steps.segments.users import as_json, model_of, three_types, users_of

MODEL = model_of(three_types(200), transform="log")


@pytest.mark.parametrize(
    "model",
    [MODEL, model_of(three_types(1)), model_of(three_types(60).assign(avg_discount=None), k=6, n_init=1)],
    ids=["usual", "one segment without features", "a feature dropped"],
)
def test_a_model_comes_back_as_it_was_written(model: Model) -> None:
    assert model_from_document(as_json(model_document(model)), place="model.json") == model
    assert feature_scaling_from_document(as_json(feature_scaling_document(model.scaling)), place="x") == model.scaling


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back_to_the_last_bit(number: float) -> None:
    segments = (replace(MODEL.segments[0], centroid=(number, *MODEL.segments[0].centroid[1:])), *MODEL.segments[1:])
    model = replace(MODEL, segments=segments, version=model_version(MODEL.scaling, segments))
    back = model_from_document(as_json(model_document(model)), place="model.json")
    assert back.segments[0].centroid[0].hex() == number.hex()


def changed(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Puts `value` where the dotted `path` leads; the value `del` takes the key out."""

    def change(document: dict[str, Any]) -> None:
        *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
        target: Any = document
        for step in way:
            target = target[step]
        if value is del_:
            del target[last]
        else:
            target[last] = value

    return change


del_ = object()

BROKEN = [
    ("format", 3, "model.json: format is 3, and this code reads 2"),
    ("format", True, "format is True"),
    ("format", del_, "format is None"),
    ("extra", 1, "model.json: it has unknown keys: extra"),
    ("seed", del_, "model.json: it lacks keys: seed"),
    ("seed", 4.0, "model.json: seed: it is 4.0 and must be a whole number"),
    ("seed", True, "seed: it is True and must be a whole number"),
    ("trained_at", None, "trained_at: it is None and must be a text"),
    ("inertia", math.nan, "inertia: it is nan and must be a finite number"),
    ("inertia", math.inf, "inertia: it is inf and must be a finite number"),
    ("inertia", 10**400, "inertia: .*must be a finite number"),
    ("inertia", "1.0", "inertia: it is '1.0' and must be a finite number"),
    ("libraries", [], r"libraries: it is \[\] and must be an object"),
    ("libraries.numpy", 2, "libraries: numpy: it is 2 and must be a text"),
    ("segments", {}, "segments: it is {} and must be a list"),
    ("segments", [], "segments: there must be at least one"),
    ("segments.1.centroid.0", math.nan, r"segments\[1\]: centroid\[0\]: it is nan"),
    ("segments.1.centroid", [0.0, 1.0], "segments.S0002.centroid: 2 numbers for 5 features"),
    ("segments.1.strategy", del_, r"segments\[1\]: it lacks keys: strategy"),
    ("segments.1.segment_id", "S0001", "segment_id must rise without repeats"),
    ("segments.0.segment_id", "S0009", "segment_id must rise without repeats"),
    ("segments.0.name", MODEL.segments[1].name, "name must be unique"),
    ("scaling.transform", "sqrt", "scaling: transform: it is 'sqrt' and must be one of 'none', 'log'"),
    ("scaling.features.0.transform", "log10", r"scaling: features\[0\]: transform: it is 'log10'"),
    ("scaling.features.0.name", "age", "scaling: features age, .* are unknown, repeated or out of order"),
    ("scaling.features.0.name", "avg_rating", "repeated"),
    ("scaling.features", [], "features and dropped together must be"),
    ("scaling.features.0.scale", 0, "scale of total_reviews is 0.0, and must be above 0"),
    ("scaling.features.3.low", 1e9, "low of avg_spend is above its high"),
    ("scaling.features.0.impute", None, "total_reviews must have one of impute and shrinkage"),
    ("scaling.features.1.impute", 4.0, "avg_rating must have one of impute and shrinkage"),
    ("scaling.features.1.shrinkage.reviews", 0, "shrinkage of avg_rating must be by more than 0 reviews"),
    ("scaling.features.1.shrinkage.reviews", math.inf, "shrinkage: reviews: it is inf"),
    ("scaling.features.1.shrinkage.weight", 1, r"features\[1\]: shrinkage: it has unknown keys: weight"),
    ("scaling.features.1.shrinkage.mean", 4.5, "somebody changed the file"),
    ("scaling.warnings", [{"name": "avg_spend"}], r"warnings\[0\]: it lacks keys: reason"),
    ("choice.confidence", "sure", "choice: confidence: it is 'sure' and must be one of 'high', 'low'"),
    ("choice.evidence.2.refusals", "none", r"evidence\[2\]: refusals: it is 'none' and must be a list"),
    ("scaling.dropped", [{"name": "avg_spend", "reason": "x"}], "each once"),
    ("choice.evidence.0.silhouette", "none", r"choice: evidence\[0\]: silhouette: it is 'none'"),
    ("version", "0" * 12, "version is '000000000000', but what scores is not what was written"),
    ("segments.0.centroid.0", 0.125, "somebody changed the file"),
    ("segments.0.name", "Whales", "somebody changed the file"),
    ("segments.0.outlier_distance", 0.0, "somebody changed the file"),
    ("scaling.features.0.mean", 0.5, "somebody changed the file"),
]


@pytest.mark.parametrize(("path", "value", "words"), BROKEN, ids=[f"{path}={value!r:.20}" for path, value, _ in BROKEN])
def test_a_changed_document_is_refused_with_path_and_key(path: str, value: object, words: str) -> None:
    document = as_json(model_document(MODEL))
    changed(path, value)(document)
    with pytest.raises(ModelError, match=f"^model.json: .*{words.removeprefix('model.json: ')}"):
        model_from_document(document, place="model.json")


@pytest.mark.parametrize("document", [None, [], "model", 3, {}])
def test_values_that_are_not_documents_are_refused(document: object) -> None:
    for reader in (model_from_document, feature_scaling_from_document):
        with pytest.raises(ModelError, match=r"model\.json: format is None"):
            reader(document, place="model.json")


def test_a_scaling_document_is_validated() -> None:
    document = as_json(feature_scaling_document(MODEL.scaling))
    document["features"][0]["scale"] = -1
    with pytest.raises(ModelError, match=r"scaling\.json: scale of total_reviews"):
        feature_scaling_from_document(document, place="scaling.json")


def test_a_whole_number_stands_for_a_float() -> None:
    model = model_of(users_of([(1, 4.0, 0.0, 1.0), (3, 4.0, 0.0, 1.0)]))
    document = as_json(model_document(model))
    document["inertia"] = 0
    back = model_from_document(document, place="model.json").inertia
    assert (back, type(back)) == (0.0, float)
