"""Campaign lists as files, streamed: the server holds one batch of users at a time.

Streamlit's own downloads keep the complete file in memory, which suits uploads but not published users.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from amzseg_pipeline.app.downloads import FILE_TYPES
from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import data_root_from_environment
from amzseg_pipeline.storage.serving.exports import FileFormat, campaign_chunks
from amzseg_pipeline.storage.serving.snapshot_queries import Campaign, PublishedUsers
from amzseg_pipeline.storage.snapshots.snapshot import pointer_to, snapshot_at

_PREFIX = "segment_file"
PATH = f"/{_PREFIX}/{{signature}}/{{sequence:int}}/{{segment_id}}/{{campaign}}/{{file_format}}"
"""The route of segment_response."""

_KEY = secrets.token_bytes(32)
"""Signs paths: only a page of this process can issue a valid one."""


def segment_download_path(sequence: int, segment_id: str, file_format: FileFormat, *, campaign: Campaign) -> str:
    """The signed path, relative to the pages, of a campaign list of a segment in snapshot `sequence`."""
    path = f"{sequence}/{segment_id}/{_encoded(campaign)}/{file_format}"
    return f"{_PREFIX}/{_signature(path)}/{path}"


async def segment_response(request: Request) -> Response:
    """The file; 404 for a path that no page of this process issued, 503 with the reason if it cannot be read."""
    parameters = request.path_params
    sequence, segment_id, campaign, file_format = (
        parameters[name] for name in ("sequence", "segment_id", "campaign", "file_format")
    )
    signature = _signature(f"{sequence}/{segment_id}/{campaign}/{file_format}")
    if not hmac.compare_digest(parameters["signature"].encode(errors="replace"), signature.encode()):
        return PlainTextResponse("There is no such file; open the page of the segment again.", status_code=404)
    decoded = _decoded(campaign)
    try:
        chunks = await run_in_threadpool(_started_chunks, sequence, segment_id, decoded, file_format)
    except SnapshotError as error:
        return PlainTextResponse(str(error), status_code=503)
    name = f"{'-'.join([segment_id, *_name_parts(decoded), f'snapshot-{sequence}'])}.{file_format}"
    return StreamingResponse(
        chunks,
        media_type=FILE_TYPES[file_format].mime,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _started_chunks(sequence: int, segment_id: str, campaign: Campaign, file_format: FileFormat) -> Iterator[bytes]:
    """The file in chunks, its table verified; the first chunk is made at once, so errors precede the response."""
    published = data_root_from_environment().published
    snapshot = snapshot_at(published, pointer_to(published, sequence))
    snapshot.verify(f"{SEGMENT_ASSIGNMENTS.name}.parquet")
    chunks = campaign_chunks(PublishedUsers(snapshot), segment_id, campaign, file_format=file_format)
    return chain([next(chunks)], chunks)


def _name_parts(campaign: Campaign) -> list[str]:
    """Audience and filters, as a part of the name of the file."""
    since = f"-since-{campaign.since.isoformat()}" if campaign.audience == "joined" else ""
    margin = f"margin-{campaign.min_margin:g}" if campaign.min_margin else ""
    several = "several-reviews" if campaign.several_reviews else ""
    inside = "no-outliers" if campaign.no_outliers else ""
    return list(filter(None, (f"{campaign.audience}{since}", margin, several, inside)))


def _encoded(campaign: Campaign) -> str:
    document = json.dumps({**asdict(campaign), "since": campaign.since.isoformat()})
    return base64.urlsafe_b64encode(document.encode()).decode()


def _decoded(text: str) -> Campaign:
    document = json.loads(base64.urlsafe_b64decode(text))
    return Campaign(**{**document, "since": date.fromisoformat(document["since"])})


def _signature(path: str) -> str:
    return hmac.new(_KEY, path.encode(), hashlib.sha256).hexdigest()
