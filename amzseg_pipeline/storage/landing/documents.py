"""RawReviews as a JSON document, and back; parts are named relative to the folder they lie in.

Nothing is opened here.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import TableError
from amzseg_pipeline.storage.landing.listing import LeftFile, RefusedFile
from amzseg_pipeline.storage.landing.raw_reviews import Batch, RawReviews


def raw_reviews_document(raw: RawReviews) -> dict[str, Any]:
    """The JSON object of `raw`."""
    return asdict(raw) | {"batches": [asdict(batch) | {"part": batch.part.name} for batch in raw.batches]}


def raw_reviews_from_document(document: dict[str, Any], *, place: str) -> RawReviews:
    """The RawReviews in `document`, read from the file `place`. TableError where it is not one."""
    folder = Path(place).parent / "raw_reviews"
    try:
        return RawReviews(
            batches=tuple(
                Batch(**batch | {"also_at": tuple(batch["also_at"]), "part": folder / Path(batch["part"]).name})
                for batch in document["batches"]
            ),
            left=tuple(LeftFile(**file) for file in document["left"]),
            refused=tuple(RefusedFile(**file) for file in document["refused"]),
        )
    except (KeyError, TypeError) as error:
        raise TableError(f"{place}: no list of batches ({error!r}); materialise raw_reviews again.") from error
