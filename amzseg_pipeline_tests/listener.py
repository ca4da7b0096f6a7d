"""An HTTP server on loopback that records requests, for alerts and pings."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener:
    """The requests received so far. Answers with the next of `statuses`, then with 200."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.statuses: list[int] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                listener.received.append(self.rfile.read(int(self.headers["Content-Length"] or 0)))
                self.send_response(listener.statuses.pop(0) if listener.statuses else 200)
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/secret-token"

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """The alerts received, in order; pings have no body."""
        return [json.loads(body) for body in self.received if body]


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener that runs until the end of the block."""
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        listener.server.shutdown()
        thread.join()
        listener.server.server_close()
