"""A proxy before the S3 server: every request is slow, and some fail."""

import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_FAULTS = ("500", "503", "reset")
_BODY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>a fault of the test</Message></Error>"
_NOT_FORWARDED = {"connection", "transfer-encoding", "content-length", "expect"}


@dataclass
class FlakyStore:
    """The address of the proxy, and what it did by fault; half of the faults happen after the store did its work."""

    endpoint: str = ""
    counts: Counter[str] = field(default_factory=Counter)


@contextmanager
def flaky_store(endpoint: str, *, latency_seconds: float, fault_share: float, seed: int = 0) -> Iterator[FlakyStore]:
    """The proxy before the server at `endpoint`; it answers that share of requests by 500, 503 or a reset."""
    rng, lock, store = random.Random(seed), threading.Lock(), FlakyStore()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(latency_seconds)
            with lock:
                fault = rng.choice(_FAULTS) if rng.random() < fault_share else ""
                is_done = not fault or rng.random() < 0.5
                store.counts[fault or "answered"] += 1
            if is_done:
                connection = HTTPConnection(urlsplit(endpoint).netloc)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                answer = response.read()
                connection.close()
            if fault == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            elif fault:
                self._send(int(fault), {}, _BODY)
            else:
                self._send(response.status, dict(response.getheaders()), answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _NOT_FORWARDED:
                    self.send_header(name, value)
            length = str(len(body))
            if self.command == "HEAD":
                length = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002
            return

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, ValueError):  # the client, or this proxy, closed the connection
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
