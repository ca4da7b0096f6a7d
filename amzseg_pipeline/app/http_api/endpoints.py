"""The endpoints of the API, with FastAPI, which validates requests and generates the OpenAPI description."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Annotated, Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from amzseg_pipeline.app.http_api.documents import (
    ScoredUserDocument,
    ScoredUsers,
    SegmentDocument,
    SnapshotDocument,
    UserDocument,
    UserPage,
    UsersToScore,
    UserToScore,
)
from amzseg_pipeline.contracts.errors import ModelError, PipelineError, SnapshotError
from amzseg_pipeline.steps.segments.model.scoring import score_columns
from amzseg_pipeline.storage.data_root import data_root_from_environment, user_key_from_environment
from amzseg_pipeline.storage.serving.served_snapshot import ServedSnapshot, served_snapshot

ARROW_STREAM = "application/vnd.apache.arrow.stream"
MAX_PAGE_USERS = 10_000

_VERSION = "1.0.0"
_SCORED_COLUMNS = list(ScoredUserDocument.model_fields)
_GIVEN = [name for name in UserToScore.model_fields if name != "user_id"]
_UNMODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "The snapshot in If-None-Match is still the latest."},
    503: {"description": "No snapshot can be read; the message gives the reason."},
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "The snapshot has no such segment or user."}}


def latest(response: Response, if_none_match: Annotated[str | None, Header()] = None) -> ServedSnapshot:
    """The latest snapshot; sets the ETag and ends requests whose copy is of that snapshot with 304."""
    served = served_snapshot(data_root_from_environment())
    etag = f'"{served.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
    response.headers.update(headers)
    given = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if given & {etag, "*"}:
        raise HTTPException(304, headers=headers)
    return served


Latest = Annotated[ServedSnapshot, Depends(latest)]


def api(check_token: Callable[[Request], Awaitable[None]]) -> FastAPI:
    """The application, mounted below a prefix. `check_token` runs before every endpoint."""
    app = FastAPI(
        title="Customer segments",
        version=_VERSION,
        description="The latest published snapshot of customer segments, and scores by its model.",
        dependencies=[Depends(check_token)],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a user id may end with a slash
        responses={401: {"description": "The bearer token is missing or wrong."}},
    )
    app.get("/snapshot", responses=_UNMODIFIED)(snapshot)
    app.get("/segments", responses=_UNMODIFIED)(segments)
    app.get("/segments/{segment_id}/users", responses=_UNMODIFIED | _NOT_FOUND | _ARROW)(segment_users)
    app.get("/users/{user_id:path}", responses=_UNMODIFIED | _NOT_FOUND)(user)
    app.post("/score", response_model=ScoredUsers, responses={503: _UNMODIFIED[503]})(score)
    app.add_exception_handler(SnapshotError, _error_response(503))
    app.add_exception_handler(ModelError, _error_response(422))
    app.add_exception_handler(PipelineError, _error_response(500))
    app.add_exception_handler(RequestValidationError, _invalid_request)
    return app


_ARROW: dict[int | str, dict[str, Any]] = {
    200: {"content": {ARROW_STREAM: {"schema": {"type": "string", "format": "binary"}}}}
}


def snapshot(served: Latest) -> SnapshotDocument:
    """The latest snapshot."""
    source = served.snapshot
    return SnapshotDocument(
        sequence=source.sequence,
        run_id=source.run_id,
        created=source.created,
        contract_version=source.contract_version,
        model_version=source.model_version,
        currency=source.currency,
        users=int(served.profiles["users"].sum()),
        segments=len(served.profiles),
    )


def segments(served: Latest) -> list[SegmentDocument]:  # type: ignore[valid-type]
    """All segments with their sizes, means and strategies."""
    return [SegmentDocument.model_construct(**row) for row in _json_rows(pa.Table.from_pandas(served.profiles))]


def segment_users(
    segment_id: str,
    served: Latest,
    response: Response,
    after: Annotated[str | None, Query(description="user_id of the last user of the previous page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_USERS)] = 1_000,
    accept: Annotated[str, Header()] = "application/json",
) -> UserPage:
    """The users of a segment sorted by user_id, as JSON, or as an Arrow stream if the client accepts that.

    Arrow pages name the next page in the header X-Next-After.
    """
    if segment_id not in set(served.profiles["segment_id"]):
        raise HTTPException(404, f"There is no segment {segment_id!r}.")
    rows = served.users.users_after(segment_id, after=after, limit=limit + 1)
    page = rows.slice(0, limit)
    next_after = page["user_id"][-1].as_py() if rows.num_rows > limit else None
    if ARROW_STREAM in accept:
        body = BytesIO()
        with pa.ipc.new_stream(body, page.schema) as stream:
            stream.write_table(page)
        headers = dict(response.headers) | ({} if next_after is None else {"X-Next-After": quote(next_after, safe="")})
        return Response(body.getvalue(), media_type=ARROW_STREAM, headers=headers)  # type: ignore[return-value]
    users = [UserDocument.model_construct(**row) for row in _json_rows(page)]
    return UserPage.model_construct(users=users, next_after=next_after)


def user(user_id: str, served: Latest) -> UserDocument:  # type: ignore[valid-type]
    """One published user, by published id, or by source id if the app has the key of the pseudonyms."""
    key = user_key_from_environment()
    has_key = key is not None and key.id == served.snapshot.user_key_id
    ids = [key.pseudonym(user_id), user_id] if key is not None and has_key else [user_id]
    for each in ids:
        rows = served.users.rows_of_user(each)
        if rows.num_rows:
            return UserDocument.model_construct(**_json_rows(rows)[0])
    raise HTTPException(404, "There is no published user with this id.")


def score(request: UsersToScore) -> Response:
    """Scores users with the model of the latest snapshot, by the function that scores published users."""
    served = served_snapshot(data_root_from_environment())
    users = {name: np.array([getattr(user, name) for user in request.users], dtype=np.float64) for name in _GIVEN}
    users["engagement_score"] = users["total_reviews"] * users["avg_rating"]
    columns = {"user_id": [user.user_id for user in request.users], **score_columns(users, served.model)}
    rows = pa.table({name: pa.array(columns[name]) for name in _SCORED_COLUMNS})
    scored = ScoredUsers.model_construct(
        sequence=served.snapshot.sequence,
        model_version=served.model.version,
        users=[ScoredUserDocument.model_construct(**row) for row in _json_rows(rows)],
    )
    # FastAPI would validate a document in yet another thread, and threads wait for each other.
    return Response(scored.model_dump_json(), media_type="application/json")


def _json_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with None for NaN, which JSON does not have."""
    return [{name: None if value != value else value for name, value in row.items()} for row in table.to_pylist()]


def _invalid_request(_: Request, error: Exception) -> JSONResponse:
    """Without the values: JSON has no infinity, and a response must not repeat what may be an id."""
    assert isinstance(error, RequestValidationError)
    problems = [{name: problem[name] for name in ("type", "loc", "msg")} for problem in error.errors()]
    return JSONResponse({"detail": problems}, status_code=422)


def _error_response(status: int) -> Callable[[Request, Exception], JSONResponse]:
    def response(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=status)

    return response
