"""JSON documents as dataclasses, and back.

Types are strict, unknown keys are refused, and every float is read exactly as it was written.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from amzseg_pipeline.contracts.errors import PipelineError

_T = TypeVar("_T")
_MAX_SHOWN_CHARACTERS = 40
_MESSAGES = {"missing": "is missing", "unexpected_keyword_argument": "is unknown", "extra_forbidden": "is unknown"}


def document_of(value: Any, *, document_format: int | None = None) -> dict[str, Any]:
    """A dataclass as plain JSON values, with the key `format` where one is given."""
    return asdict(value) if document_format is None else {"format": document_format, **asdict(value)}


def parsed_json(
    content: bytes | str,
    type_: type[_T],
    *,
    location: str,
    error: type[PipelineError],
    fix: str,
    extra: Literal["allow", "forbid"] = "forbid",
) -> _T:
    """The value of `type_` (a dataclass or TypedDict) in a JSON text.

    Args:
        content: The JSON text.
        type_: What it must be. Declare numbers as pydantic.FiniteFloat to refuse NaN and infinity.
        location: A path, and where needed a key in it, for the error message.
        error: The class of the error that is raised.
        fix: What to do about a damaged document; it ends the message.
        extra: Whether keys that `type_` does not have are kept (TypedDict only) or refused.

    Raises:
        PipelineError: Of the class `error`, naming the location, the first key that is wrong, and the fix.
    """
    try:
        return cast(_T, _adapter(cast(Any, type_)).validate_json(content, strict=True, extra=extra))
    except ValidationError as invalid:
        details = invalid.errors(include_url=False)[0]
        raise error(f"{location}: {_message(details)}; {fix}.") from None


def parsed_document(document: object, type_: type[_T], *, location: str, error: type[PipelineError], fix: str) -> _T:
    """The value of `type_` in plain JSON values, as parsed_json."""
    return parsed_json(json.dumps(document), type_, location=location, error=error, fix=fix)


def without_format(
    document: object, document_format: int, *, location: str, error: type[PipelineError], fix: str
) -> Any:
    """The object `document` without its key `format`; raises `error` where that is another than `document_format`."""
    found = document.get("format") if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or found != document_format or isinstance(found, bool):
        raise error(f"{location}: format is {found!r}, but this version reads format {document_format}; {fix}.")
    return {key: value for key, value in document.items() if key != "format"}


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _message(details: Any) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in details["loc"]).removeprefix(".")
    key = path or "the document"
    if details["type"] in _MESSAGES:
        return f"{key} {_MESSAGES[details['type']]}"
    problem: str = details["msg"][0].lower() + details["msg"][1:]
    if details["type"] == "json_invalid":
        return problem
    shown = repr(details["input"])
    if len(shown) > _MAX_SHOWN_CHARACTERS:
        shown = f"{shown[: _MAX_SHOWN_CHARACTERS - 3]}..."
    return f"{key} is {shown}: {problem}"
