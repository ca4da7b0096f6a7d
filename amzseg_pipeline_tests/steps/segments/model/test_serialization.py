import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
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


@cache
def model() -> Model:
    return model_of(three_types(200), transform="log")


@pytest.mark.parametrize(
    "trained",
    [
        model,
        lambda: model_of(three_types(1)),
        lambda: model_of(three_types(60).assign(avg_discount=None), k=6, n_init=1),
    ],
    ids=["usual", "one segment without features", "a feature dropped"],
)
def test_a_model_survives_a_round_trip(trained: Callable[[], Model]) -> None:
    found = trained()
    assert model_from_document(as_json(model_document(found)), location="model.json") == found
    document = as_json(feature_scaling_document(found.scaling))
    assert feature_scaling_from_document(document, location="x") == found.scaling


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_a_round_trip_to_the_last_bit(number: float) -> None:
    first, *others = model().segments
    segments = (replace(first, centroid=(number, *first.centroid[1:])), *others)
    changed_model = replace(model(), segments=segments, version=model_version(model().scaling, segments))
    back = model_from_document(as_json(model_document(changed_model)), location="model.json")
    assert back.segments[0].centroid[0].hex() == number.hex()


def changed(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets the value at the dotted `path`; del_ deletes the key."""

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
SECOND_NAME = object()
"""Replaced by the name of the second segment."""

BROKEN = [
    ("format", 3, "model.json: format is 3, but this version reads format"),
    ("format", True, "format is True"),
    ("format", del_, "format is None"),
    ("extra", 1, "model.json: extra is unknown"),
    ("seed", del_, "model.json: seed is missing"),
    ("seed", 4.0, "model.json: seed is 4.0: input should be a valid integer"),
    ("seed", True, "seed is True: input should be a valid integer"),
    ("trained_at", None, "trained_at is None: input should be a valid string"),
    ("inertia", math.nan, "inertia is nan: input should be a finite number"),
    ("inertia", math.inf, "inertia is inf: input should be a finite number"),
    ("inertia", 10**400, "inertia is .*: input should be a finite number"),
    ("inertia", "1.0", "inertia is '1.0': input should be a valid number"),
    ("libraries", [], r"libraries is \[\]: input should be an object"),
    ("libraries.numpy", 2, "libraries.numpy is 2: input should be a valid string"),
    ("segments", {}, "segments is {}: input should be a valid array"),
    ("segments", [], "segments: there must be at least one segment"),
    ("segments.1.centroid.0", math.nan, r"segments\[1\].centroid\[0\] is nan"),
    ("segments.1.centroid", [0.0, 1.0], "segments.S0002.centroid: it has 2 numbers for 5 features"),
    ("segments.1.strategy", del_, r"segments\[1\].strategy is missing"),
    ("segments.1.segment_id", "S0001", "segment ids must ascend without repeats"),
    ("segments.0.segment_id", "S0009", "segment ids must ascend without repeats"),
    ("segments.0.name", SECOND_NAME, "names must be unique"),
    ("scaling.transform", "sqrt", "scaling.transform is 'sqrt': input should be 'none' or 'log'"),
    ("scaling.features.0.transform", "log10", r"scaling.features\[0\].transform is 'log10'"),
    ("scaling.features.0.name", "age", "scaling: features age, .* are unknown, repeated or out of order"),
    ("scaling.features.0.name", "avg_rating", "repeated"),
    ("scaling.features", [], "features and dropped together must be"),
    ("scaling.features.0.scale", 0, "scale of total_reviews is 0.0, and must be above 0"),
    ("scaling.features.3.low", 1e9, "low of avg_spend is above its high"),
    ("scaling.features.0.impute", None, "total_reviews must have one of impute and shrinkage"),
    ("scaling.features.1.impute", 4.0, "avg_rating must have one of impute and shrinkage"),
    ("scaling.features.1.shrinkage.reviews", 0, "shrinkage.reviews of avg_rating must be above 0"),
    ("scaling.features.1.shrinkage.reviews", math.inf, "shrinkage.reviews is inf"),
    ("scaling.features.1.shrinkage.weight", 1, r"features\[1\].shrinkage.weight is unknown"),
    ("scaling.features.1.shrinkage.mean", 4.5, "the file was changed"),
    ("scaling.warnings", [{"name": "avg_spend"}], r"warnings\[0\].reason is missing"),
    ("choice.confidence", "sure", "choice.confidence is 'sure': input should be 'high', 'medium' or 'low'"),
    (
        "choice.evidence.2.failed_criteria",
        "none",
        r"evidence\[2\].failed_criteria is 'none': input should be a valid array",
    ),
    ("scaling.dropped", [{"name": "avg_spend", "reason": "x"}], "each once"),
    ("choice.evidence.0.silhouette", "none", r"choice.evidence\[0\].silhouette is 'none'"),
    ("version", "0" * 12, "version is '000000000000', but the scaling and segments are not the ones written"),
    ("segments.0.centroid.0", 0.125, "the file was changed"),
    ("segments.0.outlier_distance", 0.0, "the file was changed"),
    ("scaling.features.0.mean", 0.5, "the file was changed"),
]


@pytest.mark.parametrize(
    ("path", "value", "message"), BROKEN, ids=[f"{path}={value!r:.20}" for path, value, _ in BROKEN]
)
def test_rejects_a_changed_document_naming_the_key(path: str, value: object, message: str) -> None:
    document = as_json(model_document(model()))
    changed(path, document["segments"][1]["name"] if value is SECOND_NAME else value)(document)
    with pytest.raises(ModelError, match=f"^model.json: .*{message.removeprefix('model.json: ')}"):
        model_from_document(document, location="model.json")


@pytest.mark.parametrize("document", [None, [], "model", 3, {}])
def test_rejects_values_that_are_not_documents(document: object) -> None:
    for reader in (model_from_document, feature_scaling_from_document):
        with pytest.raises(ModelError, match=r"model\.json: format is None"):
            reader(document, location="model.json")


def test_checks_a_scaling_as_it_checks_a_model() -> None:
    document = as_json(feature_scaling_document(model().scaling))
    document["features"][0]["scale"] = -1
    with pytest.raises(ModelError, match=r"scaling\.json: scale of total_reviews"):
        feature_scaling_from_document(document, location="scaling.json")


def test_reads_an_integer_as_a_float() -> None:
    document = as_json(model_document(model_of(users_of([(1, 4.0, 0.0, 1.0), (3, 4.0, 0.0, 1.0)]))))
    document["inertia"] = 0
    back = model_from_document(document, location="model.json").inertia
    assert (back, type(back)) == (0.0, float)
