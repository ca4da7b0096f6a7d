"""Sessions of the app without a browser, which measure the server alone."""

import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

_WAIT_SECONDS = 120


@dataclass
class Session:
    """A session without a browser: it requests a run of a page and reads all messages of the server."""

    connection: ClientConnection
    number_inputs: dict[str, str]

    def run(self, page: str, widgets: dict[str, float] | None = None) -> tuple[float, list[str]]:
        """Duration of the server's run of the page in seconds, and the errors on the page."""
        message = BackMsg()
        message.rerun_script.page_name = "" if page == "overview" else page
        for label, value in (widgets or {}).items():
            state = WidgetState(id=self.number_inputs[label], double_value=value)
            message.rerun_script.widget_states.widgets.append(state)
        errors: list[str] = []
        started = time.perf_counter()
        self.connection.send(message.SerializeToString())
        while True:
            reply = ForwardMsg.FromString(self.connection.recv(timeout=_WAIT_SECONDS))
            message_type = reply.WhichOneof("type")
            if message_type == "delta" and reply.delta.WhichOneof("type") == "new_element":
                element = reply.delta.new_element
                if element.WhichOneof("type") == "exception":
                    errors.append(f"{page}: {element.exception.message}")
                elif element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
                    errors.append(f"{page}: {element.alert.body}")
                elif element.WhichOneof("type") == "number_input":
                    self.number_inputs[element.number_input.label] = element.number_input.id
            elif message_type == "script_finished":
                return time.perf_counter() - started, errors


@contextmanager
def session_of(address: str) -> Iterator[Session]:
    """A new session."""
    stream = f"ws://{urlsplit(address).netloc}/_stcore/stream"
    with connect(stream, subprotocols=["streamlit"], origin=address, max_size=2**28) as connection:
        yield Session(connection, {})


def scoring(address: str, *, times: int, server: psutil.Process) -> dict[str, float]:
    """Milliseconds of the server for one changed value on the loaded form."""
    durations = []
    with session_of(address) as session:
        session.run("score_user")
        discount = next(label for label in session.number_inputs if "discount" in label)
        session.run("score_user", {discount: 50.0})
        before = sum(server.cpu_times()[:2])
        for each in range(times):
            seconds, errors = session.run("score_user", {discount: float(each % 90)})
            assert not errors, errors
            durations.append(seconds)
        processor = sum(server.cpu_times()[:2]) - before
    return {
        "median": round(1000 * statistics.median(durations), 1),
        "slowest": round(1000 * max(durations), 1),
        "processor": round(1000 * processor / times, 1),
    }


def opening(address: str, *, times: int) -> dict[str, float]:
    """Milliseconds of a warm server for the first page of a new session."""
    durations = []
    for _ in range(times):
        with session_of(address) as session:
            seconds, errors = session.run("overview")
            assert not errors, errors
            durations.append(seconds)
    return {"median": round(1000 * statistics.median(durations), 1), "slowest": round(1000 * max(durations), 1)}


def crowd(address: str, pages: Sequence[str], *, sessions: int) -> dict[str, object]:
    """Concurrent sessions that open these pages one after another."""
    start = threading.Barrier(sessions)

    def one(_: int) -> tuple[list[float], list[str]]:
        with session_of(address) as session:
            start.wait()
            runs = [session.run(page) for page in pages]
        return [seconds for seconds, _ in runs], [error for _, errors in runs for error in errors]

    started = time.perf_counter()
    with ThreadPoolExecutor(sessions) as pool:
        results = list(pool.map(one, range(sessions)))
    seconds = [each for result, _ in results for each in result]
    return {
        "sessions": sessions,
        "pages": len(seconds),
        "errors": [error for _, errors in results for error in errors],
        "seconds": round(time.perf_counter() - started, 2),
        "median_page_seconds": round(statistics.median(seconds), 3),
        "slowest_page_seconds": round(max(seconds), 3),
    }
