"""RawReviews as a JSON document, and back; parts and exports are found again from where the document lies.

Nothing is opened here.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at
from amzseg_pipeline.storage.fs.object_store import path_at
from amzseg_pipeline.storage.landing.ingest.raw_reviews import Batch, RawReviews
from amzseg_pipeline.storage.landing.scan.listing import RefusedFile, SkippedFile


def raw_reviews_document(raw: RawReviews) -> dict[str, Any]:
    """The JSON object of `raw`."""
    return asdict(raw) | {"batches": [asdict(batch) | {"part": batch.part.name} for batch in raw.batches]}


def raw_reviews_from_document(document: dict[str, Any], *, place: str) -> RawReviews:
    """The RawReviews in `document`, read from the file `place`. TableError where it is not one."""
    data_root = data_root_at(path_at(place).parent.parent)
    try:
        return RawReviews(
            batches=tuple(
                _batch(data_root, {**batch, "also_at": tuple(batch["also_at"]), "part": Path(batch["part"])})
                for batch in document["batches"]
            ),
            left=tuple(SkippedFile(**file) for file in document["left"]),
            refused=tuple(RefusedFile(**file) for file in document["refused"]),
        )
    except (KeyError, TypeError) as error:
        raise TableError(f"{place}: no list of batches ({error!r}); materialise raw_reviews again.") from error


def _batch(data_root: DataRoot, fields: dict[str, Any]) -> Batch:
    batch = Batch(**fields)
    kept = data_root.warehouse / "raw_reviews" / batch.part.name
    return replace(batch, part=data_root.landing / batch.path if batch.is_read_in_place else kept)
