"""Tables and documents of the warehouse by name; a table is one file, or parts that its index lists."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import narwhals as nw

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.contracts.tables import TABLES
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.parquet.partitions import table_parts_from_document
from amzseg_pipeline.storage.parquet.tables import existing_table, table_path
from amzseg_pipeline.storage.warehouse.cleaned_reviews import cleaned_reviews_from_document

_Document = TypeVar("_Document")


def document_path(warehouse: Path, name: str) -> Path:
    """The path of the document `name`, or of the index of the table `name`."""
    return warehouse / f"{name}.json"


def read_document(path: Path, from_document: Callable[..., _Document]) -> _Document:
    """The object that `from_document` builds from a JSON file.

    Raises:
        TableError: the file is missing or damaged.
    """
    try:
        document: dict[str, Any] = json.loads(content_of(path))
    except FileNotFoundError:
        raise TableError(f"{path}: the file does not exist; materialize {path.stem} first.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: not valid JSON ({error}); materialize {path.stem} again.") from error
    return from_document(document, location=str(path))


def has_table(warehouse: Path, name: str) -> bool:
    """Whether the table, or its index, exists."""
    return document_path(warehouse, name).exists() or table_path(warehouse, name).exists()


def table_frame(warehouse: Path, name: str, engine: Engine) -> nw.LazyFrame:
    """The rows of a table.

    Raises:
        TableError: the table is missing or damaged.
    """
    index = document_path(warehouse, name)
    if name == "cleaned_reviews":
        return read_document(index, cleaned_reviews_from_document).frame(engine)
    if index.exists():
        parts = read_document(index, table_parts_from_document)
        rows = engine.scan([existing_table(path) for path in parts.paths])
        return rows.select(TABLES[name].column_names)
    return engine.scan([existing_table(table_path(warehouse, name))])
