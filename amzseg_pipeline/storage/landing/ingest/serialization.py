"""RawReviews as a JSON document, and back; paths are resolved against the data root that holds the document."""

from dataclasses import replace
from typing import Any

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch, RawReviews


def raw_reviews_document(raw: RawReviews) -> dict[str, Any]:
    """The JSON object of `raw`."""
    batches = [document_of(batch) | {"parquet_path": batch.parquet_path.name} for batch in raw.batches]
    return document_of(raw) | {"batches": batches}


def raw_reviews_from_document(document: dict[str, Any], *, location: str) -> RawReviews:
    """The RawReviews in `document`, read from the file `location`. Raises TableError."""
    fix = "materialise raw_reviews again"
    raw = parsed_document(document, RawReviews, location=location, error=TableError, fix=fix)
    data_root = data_root_at(path_at(location).parent.parent)
    return replace(raw, batches=tuple(_with_path(data_root, batch) for batch in raw.batches))


def _with_path(data_root: DataRoot, batch: Batch) -> Batch:
    cached = data_root.warehouse / "raw_reviews" / batch.parquet_path.name
    return replace(batch, parquet_path=data_root.landing / batch.path if batch.is_read_in_place else cached)
