"""HTTP requests to the addresses in AMZSEG_ALERT_URL and AMZSEG_PING_URL. Error messages never contain an address."""

import os
import threading
import time
import urllib.error
import urllib.request
from queue import Empty, SimpleQueue

ALERT_VARIABLE = "AMZSEG_ALERT_URL"
PING_VARIABLE = "AMZSEG_PING_URL"

_MAX_TRIES = 3
_TIMEOUT_SECONDS = 8
_PAUSE_SECONDS = 2


def ping() -> bool:
    """Requests AMZSEG_PING_URL; returns False if it is not set. Raises OSError if the server does not answer."""
    address = os.environ.get(PING_VARIABLE)
    if address:
        request(address, None)
    return bool(address)


def request(address: str, body: bytes | None) -> None:
    """Requests `address`, posting `body` if there is one, and tries again on server errors.

    Raises:
        ValueError: the address is not an HTTP one.
        OSError: the server refuses the request, or still fails at the last try.
    """
    if not address.startswith(("https://", "http://")):
        raise ValueError("the address must start with https:// or http://")
    message = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    for remaining_tries in reversed(range(_MAX_TRIES)):
        try:
            _open(message)
            return
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500 or not remaining_tries:
                raise
        except OSError:
            if not remaining_tries:
                raise
        time.sleep(_PAUSE_SECONDS)


def _open(message: urllib.request.Request) -> None:
    """Waits for the answer in a thread: a server that sends a byte now and then never exceeds a socket's timeout."""
    outcome: SimpleQueue[Exception | None] = SimpleQueue()

    def answer() -> None:
        try:
            with urllib.request.urlopen(message, timeout=_TIMEOUT_SECONDS):
                outcome.put(None)
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=answer, daemon=True).start()
    try:
        error = outcome.get(timeout=_TIMEOUT_SECONDS)
    except Empty:
        raise TimeoutError(f"no answer within {_TIMEOUT_SECONDS} s") from None
    if error:
        raise error
