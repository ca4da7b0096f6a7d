"""Requests to an ASGI application without a server."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from starlette.types import ASGIApp


class Answer(NamedTuple):
    """Status, headers and the chunks of the body."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes]

    @property
    def body(self) -> bytes:
        """The complete body."""
        return b"".join(self.chunks)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def answer(
    app: ASGIApp,
    url: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The answer of `app` to one request for the URL path `url`, which may have a query."""
    path, _, query = url.partition("?")
    sent: list[dict[str, Any]] = []
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for request in requests:
            return request
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    all_headers = {"host": "127.0.0.1", "content-length": str(len(body)), **(headers or {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in all_headers.items()],
        "query_string": query.encode(),
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    start, *bodies = sent
    return Answer(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        [message["body"] for message in bodies if message.get("body")],
    )


def quoted(text: str) -> str:
    """Text as one segment of a URL path."""
    return quote(text, safe="")
