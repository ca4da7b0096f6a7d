"""Tables and documents of the warehouse by name, however they lie: in one file, or in parts that an index names.

Which asset is what, and when it is written, is decided elsewhere.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import narwhals as nw

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.parquet.partitions import table_parts_from_document
from amzseg_pipeline.storage.parquet.tables import existing_table, table_path
from amzseg_pipeline.storage.warehouse.cleaned_reviews import cleaned_reviews_from_document

_Kind = TypeVar("_Kind")


def document_path(warehouse: Path, name: str) -> Path:
    """Where the document `name`, or the index of the table `name`, lies."""
    return warehouse / f"{name}.json"


def read_document(path: Path, from_document: Callable[..., _Kind]) -> _Kind:
    """What `from_document` makes of a JSON file. TableError with the fix where it is missing or damaged."""
    try:
        document: dict[str, Any] = json.loads(content_of(path))
    except FileNotFoundError:
        raise TableError(f"{path}: not there yet; materialise {path.stem} first.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not readable as JSON ({error}); materialise {path.stem} again.") from error
    return from_document(document, location=str(path))


def table_frame(warehouse: Path, name: str, engine: Engine) -> nw.LazyFrame:
    """The rows of a table. TableError with the fix where it is missing or damaged."""
    index = document_path(warehouse, name)
    if name == "cleaned_reviews":
        return read_document(index, cleaned_reviews_from_document).frame(engine)
    if index.exists():
        return engine.scan([existing_table(path) for path in read_document(index, table_parts_from_document).paths])
    return engine.scan([existing_table(table_path(warehouse, name))])
