"""A model as plain JSON values, and back: strict, and exact to the last bit of every number."""

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

from amzseg_pipeline.contracts.errors import ModelError
from amzseg_pipeline.contracts.model import MODEL_FORMAT, FeatureScaling, Model, Segment
from amzseg_pipeline.contracts.users import FEATURES

_T = TypeVar("_T")
_VERSION_DIGITS = 12


def model_document(model: Model) -> dict[str, Any]:
    """`model` as what model.json holds: objects, lists, texts and finite numbers."""
    return {"format": MODEL_FORMAT, **dataclasses.asdict(model)}


def model_from_document(document: Any, *, place: str) -> Model:
    """The model that `model_document` wrote; `place` (a path) says in errors where it comes from.

    Raises ModelError, naming the place and the key, for another format, a key too many or missing, a value of the wrong
    type, a number that is not finite, lengths that do not match, and a version that does not match the
    content.
    """
    model = _from_format(document, Model, place)
    _check_scaling(model.scaling, f"{place}: scaling")
    _check_segments(model, f"{place}: segments")
    version = model_version(model.scaling, model.segments)
    if model.version != version:
        raise ModelError(
            f"{place}: version is {model.version!r}, but what scores is not what was written under that version; "
            "somebody changed the file: restore it, or fit a new model."
        )
    return model


def feature_scaling_document(scaling: FeatureScaling) -> dict[str, Any]:
    """`scaling` as plain JSON values."""
    return {"format": MODEL_FORMAT, **dataclasses.asdict(scaling)}


def feature_scaling_from_document(document: Any, *, place: str) -> FeatureScaling:
    """The scaling that `feature_scaling_document` wrote. Raises ModelError as model_from_document."""
    scaling = _from_format(document, FeatureScaling, place)
    _check_scaling(scaling, place)
    return scaling


def document(value: Any) -> dict[str, Any]:
    """A dataclass of contracts/ as plain JSON values."""
    return {"format": MODEL_FORMAT, **dataclasses.asdict(value)}


def from_document(document: Any, kind: type[_T], *, place: str) -> _T:
    """The `kind` that `document` wrote. Raises ModelError as model_from_document, for its parts' forms alone."""
    return _from_format(document, kind, place)


def model_version(scaling: FeatureScaling, segments: Sequence[Segment]) -> str:
    """The first 12 hexadecimal digits of the sha256 of all that scores: the scaling and the segments.

    Fields at their default do not count, so a model keeps its version when fields are added.
    """
    scoring = {"scaling": _told(scaling), "segments": [_told(each) for each in segments]}
    text = json.dumps(scoring, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_VERSION_DIGITS]


def _told(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        given = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        return {name: _told(each) for name, (each, default) in given.items() if each != default}
    return [_told(each) for each in value] if isinstance(value, tuple) else value


def _check_scaling(scaling: FeatureScaling, place: str) -> None:
    kept = [feature.name for feature in scaling.features]
    dropped = [feature.name for feature in scaling.dropped]
    for names in (kept, dropped):
        if names != [name for name in FEATURES if name in names]:
            raise _broken(place, f"features {', '.join(names)} are unknown, repeated or out of order")
    if sorted(kept + dropped) != sorted(FEATURES):
        raise _broken(place, f"features and dropped together must be {', '.join(FEATURES)}, each once")
    for feature in scaling.features:
        if (feature.impute is None) == (feature.shrinkage is None):
            raise _broken(place, f"{feature.name} must have one of impute and shrinkage")
        if feature.shrinkage is not None and feature.shrinkage.reviews <= 0:
            raise _broken(place, f"shrinkage of {feature.name} must be by more than 0 reviews")
        if feature.scale <= 0:
            raise _broken(place, f"scale of {feature.name} is {feature.scale}, and must be above 0")
        if feature.low is not None and feature.high is not None and feature.low > feature.high:
            raise _broken(place, f"low of {feature.name} is above its high")


def _check_segments(model: Model, place: str) -> None:
    ids = [segment.segment_id for segment in model.segments]
    names = [segment.name for segment in model.segments]
    if not ids:
        raise _broken(place, "there must be at least one")
    if ids != sorted(set(ids)):
        raise _broken(place, f"segment_id must rise without repeats, but they are {', '.join(ids)}")
    if len(set(names)) < len(names):
        raise _broken(place, f"name must be unique, but they are {', '.join(names)}")
    for segment in model.segments:
        if len(segment.centroid) != len(model.scaling.features):
            raise _broken(
                f"{place}.{segment.segment_id}.centroid",
                f"{len(segment.centroid)} numbers for {len(model.scaling.features)} features",
            )


def _from_format(document: Any, kind: type[_T], place: str) -> _T:
    found = document.get("format") if isinstance(document, Mapping) else None
    if found != MODEL_FORMAT or isinstance(found, bool):
        raise ModelError(f"{place}: format is {found!r}, and this code reads {MODEL_FORMAT}; fit a new model.")
    content = {key: value for key, value in document.items() if key != "format"}
    return typing.cast(_T, _parsed(content, kind, place))


def _parsed(value: Any, kind: Any, place: str) -> Any:
    """`value` as the annotated type `kind`: dataclasses, tuples, dicts, literals, optionals, texts and numbers."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        given = _object(value, place)
        needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
        for word, keys in (("has unknown", given.keys() - hints), ("lacks", needed - given.keys())):
            if keys:
                raise _broken(place, f"it {word} keys: {', '.join(sorted(keys))}")
        return typing.cast(Any, kind)(**{key: _parsed(given[key], hints[key], f"{place}: {key}") for key in given})
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _broken(place, f"it is {_shown(value)} and must be a list")
        return tuple(_parsed(item, arguments[0], f"{place}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        return {key: _parsed(item, arguments[1], f"{place}: {key}") for key, item in _object(value, place).items()}
    if origin is types.UnionType:
        return None if value is None else _parsed(value, arguments[0], place)
    if origin is Literal:
        if value not in arguments:
            raise _broken(place, f"it is {_shown(value)} and must be one of {', '.join(map(repr, arguments))}")
        return value
    return _scalar(value, kind, place)


def _scalar(value: Any, kind: type, place: str) -> Any:
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    elif type(value) is kind:
        return value
    words = {float: "a finite number", int: "a whole number", str: "a text", bool: "true or false"}
    raise _broken(place, f"it is {_shown(value)} and must be {words[kind]}")


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _broken(place, f"it is {_shown(value)} and must be an object")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _broken(place: str, what: str) -> ModelError:
    return ModelError(f"{place}: {what}; restore the file, or fit a new model.")
