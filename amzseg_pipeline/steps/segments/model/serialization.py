"""A model as plain JSON values, and back.

contracts/documents.py checks the types; this module checks that the parts of a model fit together.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from amzseg_pipeline.contracts.documents import document_of, parsed_document, without_format
from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import MODEL_FORMAT, FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.users import FEATURES

_T = TypeVar("_T")
_VERSION_DIGITS = 12
_FIX = "restore the file, or fit a new model"


def document(value: Any) -> dict[str, Any]:
    """A dataclass of contracts/ as plain JSON values."""
    return document_of(value, document_format=MODEL_FORMAT)


def from_document(document: Any, type_: type[_T], *, location: str) -> _T:
    """The `type_` that `document()` wrote.

    Raises ModelError, naming the location and the key, for another format, a missing or unknown key, a value of the
    wrong type, and a number that is not finite.
    """
    content = without_format(document, MODEL_FORMAT, location=location, error=ModelError, fix="fit a new model")
    return parsed_document(content, type_, location=location, error=ModelError, fix=_FIX)


def model_document(model: Model) -> dict[str, Any]:
    """`model` as what model.json contains: objects, lists, strings and finite numbers."""
    return document(model)


def model_from_document(document: Any, *, location: str) -> Model:
    """The model that `model_document` wrote; `location` (a path) is named in errors.

    Raises ModelError as from_document, and where lengths do not match or the version is not that of the content.
    """
    model = from_document(document, Model, location=location)
    _check_scaling(model.scaling, f"{location}: scaling")
    _check_segments(model, f"{location}: segments")
    if model.version != model_version(model.scaling, model.segments):
        raise ModelError(
            f"{location}: version is {model.version!r}, but the scaling and segments are not the ones written under "
            "that version: the file was changed. Restore it, or fit a new model."
        )
    return model


def feature_scaling_document(scaling: FeatureScaling) -> dict[str, Any]:
    """`scaling` as plain JSON values."""
    return document(scaling)


def feature_scaling_from_document(document: Any, *, location: str) -> FeatureScaling:
    """The scaling that `feature_scaling_document` wrote. Raises ModelError as model_from_document."""
    scaling = from_document(document, FeatureScaling, location=location)
    _check_scaling(scaling, location)
    return scaling


def model_version(scaling: FeatureScaling, segments: Sequence[Segment]) -> str:
    """The first 12 hexadecimal digits of the sha256 of the scaling and the segments, which decide every score.

    Names, strategies and name fits are not hashed, because segments are renamed when their members change; fields at
    their default are not hashed either.
    """
    content = {"scaling": _without_defaults(scaling), "segments": [_scoring_fields(each) for each in segments]}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def _scoring_fields(segment: Segment) -> dict[str, Any]:
    fields: dict[str, Any] = _without_defaults(segment)
    return {name: value for name, value in fields.items() if name not in ("name", "strategy", "name_fit")}


def _without_defaults(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        given = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        return {name: _without_defaults(each) for name, (each, default) in given.items() if each != default}
    return [_without_defaults(each) for each in value] if isinstance(value, tuple) else value


def _check_scaling(scaling: FeatureScaling, location: str) -> None:
    kept = [feature.name for feature in scaling.features]
    dropped = [feature.name for feature in scaling.dropped]
    for names in (kept, dropped):
        if names != [name for name in FEATURES if name in names]:
            raise _broken(location, f"features {', '.join(names)} are unknown, repeated or out of order")
    if sorted(kept + dropped) != sorted(FEATURES):
        raise _broken(location, f"features and dropped together must be {', '.join(FEATURES)}, each once")
    for feature in scaling.features:
        if (feature.impute is None) == (feature.shrinkage is None):
            raise _broken(location, f"{feature.name} must have one of impute and shrinkage")
        if feature.shrinkage is not None and feature.shrinkage.reviews <= 0:
            raise _broken(location, f"shrinkage.reviews of {feature.name} must be above 0")
        if feature.scale <= 0:
            raise _broken(location, f"scale of {feature.name} is {feature.scale}, and must be above 0")
        if feature.low is not None and feature.high is not None and feature.low > feature.high:
            raise _broken(location, f"low of {feature.name} is above its high")


def _check_segments(model: Model, location: str) -> None:
    ids = [segment.segment_id for segment in model.segments]
    names = [segment.name for segment in model.segments]
    if not ids:
        raise _broken(location, "there must be at least one segment")
    if ids != sorted(set(ids)):
        raise _broken(location, f"segment ids must ascend without repeats, but they are {', '.join(ids)}")
    if len(set(names)) < len(names):
        raise _broken(location, f"names must be unique, but they are {', '.join(names)}")
    for segment in model.segments:
        if len(segment.centroid) != len(model.scaling.features):
            raise _broken(
                f"{location}.{segment.segment_id}.centroid",
                f"it has {len(segment.centroid)} numbers for {len(model.scaling.features)} features",
            )


def _broken(location: str, problem: str) -> ModelError:
    return ModelError(f"{location}: {problem}; {_FIX}.")
