"""Segments as files, sent piece by piece: of millions of users the server holds one batch at a time.

Streamlit keeps its own downloads in memory: that suits small uploads, not published tables.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from amzseg_pipeline.app.downloads import FILE_FORMATS
from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import data_root_from_environment
from amzseg_pipeline.storage.serving.exports import FileFormat, segment_chunks
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_FOLDER = "segment_file"
PATH = f"/{_FOLDER}/{{signature}}/{{sequence:int}}/{{segment_id}}/{{file_format}}"
"""Where segment_response answers."""

_KEY = secrets.token_bytes(32)
"""Signs addresses: only who was shown one by a page of this process has it."""


def segment_address(sequence: int, segment_id: str, file_format: FileFormat) -> str:
    """The address, relative to the app's pages, of the users of a segment of the snapshot `sequence` as a file."""
    signature = _signature(sequence, segment_id, file_format)
    return f"{_FOLDER}/{signature}/{sequence}/{segment_id}/{file_format}"


async def segment_response(request: Request) -> Response:
    """The file; 404 where the address was not given by a page of this process, 503 in words where it cannot be read."""
    signature, *given = (request.path_params[name] for name in ("signature", "sequence", "segment_id", "file_format"))
    sequence, segment_id, file_format = given
    if not hmac.compare_digest(signature, _signature(sequence, segment_id, file_format)):
        return PlainTextResponse("There is no such file; open the page of the segment again.", status_code=404)
    try:
        chunks = await run_in_threadpool(_begun, sequence, segment_id, file_format)
    except SnapshotError as error:
        return PlainTextResponse(str(error), status_code=503)
    name = f"{segment_id}-snapshot-{sequence}.{file_format}"
    return StreamingResponse(
        chunks,
        media_type=FILE_FORMATS[file_format].mime,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _begun(sequence: int, segment_id: str, file_format: FileFormat) -> Iterator[bytes]:
    """The pieces of a file whose hash is right; the first is made, so that what is wrong shows before any is sent."""
    published = data_root_from_environment().published
    snapshot = snapshot_at(published, pointer_to(published, sequence))
    snapshot.verify(f"{SEGMENT_ASSIGNMENTS.name}.parquet")
    chunks = segment_chunks(snapshot, segment_id, file_format=file_format)
    return chain([next(chunks)], chunks)


def _signature(sequence: int, segment_id: str, file_format: str) -> str:
    return hmac.new(_KEY, f"{sequence}/{segment_id}/{file_format}".encode(), hashlib.sha256).hexdigest()
