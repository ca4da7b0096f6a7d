"""An S3 server on loopback (moto's) that records writes and refuses those that a test names."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.request import Request, urlopen

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

REFUSAL = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>refused by the test</Message></Error>"
BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>busy</Message></Error>"


@dataclass
class Store:
    """A bucket of the server.

    `writes` are the keys written since the list was last cleared, in order; `read_bytes` the bytes read of each key.
    """

    bucket: str
    endpoint: str
    writes: list[str] = field(default_factory=list)
    refuse_from: int | None = None
    read_bytes: Counter[str] = field(default_factory=Counter)
    lose_response_to: str = ""
    before_write: dict[str, Callable[[], None]] = field(default_factory=dict)
    """Functions by the suffix of a key, called once before that object is written."""
    before_read: dict[str, Callable[[], object]] = field(default_factory=dict)
    """Likewise before it is read."""

    @property
    def address(self) -> str:
        """The address of a data root in the bucket."""
        return f"s3://{self.bucket}/team/segments"

    @contextmanager
    def refusing(self, *, from_write: int) -> Iterator[None]:
        """Refuses all writes from this one on, counted from 0, within the block."""
        self.writes.clear()
        self.refuse_from = from_write
        try:
            yield
        finally:
            self.refuse_from = None

    def response_is_lost(self, key: str) -> bool:
        """Whether the response to this write is lost: once, for a key that ends in `lose_response_to`."""
        lost = bool(self.lose_response_to) and key.endswith(self.lose_response_to)
        if lost:
            self.lose_response_to = ""
        return lost


class Server:
    """The server, in a background thread until it is stopped."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._stores: dict[str, Store] = {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._respond, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def store(self) -> Store:
        """A new bucket."""
        store = Store(f"bucket-{len(self._stores)}", self.endpoint)
        with urlopen(Request(f"{store.endpoint}/{store.bucket}", method="PUT")):
            pass
        self._stores[store.bucket] = store
        return store

    def stop(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _respond(self, request: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        bucket, _, key = request["PATH_INFO"].lstrip("/").partition("/")
        store = self._stores.get(bucket)
        if store is not None and request["REQUEST_METHOD"] == "GET" and key:
            for end in [end for end in store.before_read if key.endswith(end)]:
                store.before_read.pop(end)()
            body = b"".join(self._moto(request, start_response))
            store.read_bytes[key] += len(body)
            return [body]
        if store is None or request["REQUEST_METHOD"] != "PUT" or not key:
            return self._moto(request, start_response)
        if store.refuse_from is not None and len(store.writes) >= store.refuse_from:
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [REFUSAL]
        for end in [end for end in store.before_write if key.endswith(end)]:
            store.before_write.pop(end)()
        store.writes.append(key)
        if store.response_is_lost(key):
            list(self._moto(request, lambda *_: None))
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return [BUSY]
        return self._moto(request, start_response)
