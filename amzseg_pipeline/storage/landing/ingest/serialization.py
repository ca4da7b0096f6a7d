"""RawReviews as a JSON document, and back; parts and exports are found again from the location of the document."""

from dataclasses import replace
from typing import Any

from amzseg_pipeline.contracts.documents import document_of, parsed_document
from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch, RawReviews


def raw_reviews_document(raw: RawReviews) -> dict[str, Any]:
    """The JSON object of `raw`."""
    return document_of(raw) | {"batches": [document_of(batch) | {"part": batch.part.name} for batch in raw.batches]}


def raw_reviews_from_document(document: dict[str, Any], *, location: str) -> RawReviews:
    """The RawReviews in `document`, read from the file `location`. Raises TableError."""
    fix = "materialise raw_reviews again"
    raw = parsed_document(document, RawReviews, location=location, error=TableError, fix=fix)
    data_root = data_root_at(path_at(location).parent.parent)
    return replace(raw, batches=tuple(_with_part(data_root, batch) for batch in raw.batches))


def _with_part(data_root: DataRoot, batch: Batch) -> Batch:
    kept = data_root.warehouse / "raw_reviews" / batch.part.name
    return replace(batch, part=data_root.landing / batch.path if batch.is_read_in_place else kept)
