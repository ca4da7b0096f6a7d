"""How fast the app answers on a snapshot of a million users, and whether many sessions at once are served.

    python benchmarks/app_load.py --home data --out /tmp/app_load --users 1000000

The home must have been run before. Its last snapshot is published anew below --out with the users repeated under new
ids until there are as many as asked for, every amount and rating a little different, in segments of the same shares;
the model is as it was. Then the app is started on that, and a browser and bare sessions ask it:

    first page      a browser's first page, until the numbers are there, on the server's first visit and on later ones
    every page      the same for the other pages, the first time that anybody asks for them and later
    score a user    a value of the form changed on the open page: from the request to the end of the server's run,
                    and the processor time that the server takes for it, which does not depend on what else is running
    sessions        that many sessions open all pages at the same time; none may show an error
    upload          a CSV of that many users scored by the page, and the server's memory while it does

Figures are written to --out as figures.json and printed.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from playwright.sync_api import Browser, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

from amzseg_pipeline.contracts.publish import PUBLISHED_FILES, PUBLISHED_TABLES, Provenance
from amzseg_pipeline.contracts.scoring import USERS_TO_SCORE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.home import Home
from amzseg_pipeline.storage.snapshots import Snapshot, publish, read_latest
from amzseg_pipeline_tests.app.serving import served_app

PAGES = {
    "overview": "Segments and what to do for each",
    "segments": "Users",
    "score_user": "What decided it",
    "find_user": "User id",
    "plots": "Plots",
    "about": "Exports it was made from",
}
"""Path of a page, and a heading or label near its end."""

_BATCH_ROWS = 131_072
_JITTERED = {"avg_rating": (1.0, 5.0), "avg_discount": (0.0, 100.0), "avg_spend": (0.0, None)}
_WAIT_SECONDS = 120


@dataclass
class Session:
    """A session of the app without a browser: it asks for a run of a page and reads all that the server sends."""

    connection: ClientConnection
    number_inputs: dict[str, str]

    def run(self, page: str, widgets: dict[str, float] | None = None) -> tuple[float, list[str]]:
        """Seconds until the server's run of the page ends, and the errors that it showed."""
        message = BackMsg()
        message.rerun_script.page_name = "" if page == "overview" else page
        for label, value in (widgets or {}).items():
            state = WidgetState(id=self.number_inputs[label], double_value=value)
            message.rerun_script.widget_states.widgets.append(state)
        errors: list[str] = []
        started = time.perf_counter()
        self.connection.send(message.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(self.connection.recv(timeout=_WAIT_SECONDS))
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                element = answer.delta.new_element
                if element.WhichOneof("type") == "exception":
                    errors.append(f"{page}: {element.exception.message}")
                elif element.WhichOneof("type") == "alert" and element.alert.format == element.alert.ERROR:
                    errors.append(f"{page}: {element.alert.body}")
                elif element.WhichOneof("type") == "number_input":
                    self.number_inputs[element.number_input.label] = element.number_input.id
            elif kind == "script_finished":
                return time.perf_counter() - started, errors


@contextmanager
def session_of(address: str) -> Iterator[Session]:
    """A new session."""
    stream = f"ws://{urlsplit(address).netloc}/_stcore/stream"
    with connect(stream, subprotocols=["streamlit"], origin=address, max_size=2**28) as connection:
        yield Session(connection, {})


def scaled_snapshot(last: Snapshot, home: Home, *, users: int) -> Snapshot:
    """The snapshot `last` with its users repeated until there are `users`, published below `home`."""
    table = pq.read_table(last.table_path(SEGMENT_ASSIGNMENTS.name))
    profiles = pq.read_table(last.table_path(SEGMENT_PROFILES.name))
    sizes = dict.fromkeys(profiles["segment_id"].to_pylist(), 0)

    def batches() -> Iterator[pa.RecordBatch]:
        random = np.random.default_rng(7)
        for first in range(0, users, _BATCH_ROWS):
            rows = np.arange(first, min(first + _BATCH_ROWS, users))
            part = table.take(pa.array(random.integers(0, len(table), len(rows))))
            part = part.set_column(0, "user_id", pa.array([f"U{row:011d}" for row in rows]))
            for name, (low, high) in _JITTERED.items():
                values = part[name].to_numpy() * random.uniform(0.98, 1.02, len(rows))
                part = part.set_column(
                    part.column_names.index(name), name, pa.array(np.clip(values, low, high), from_pandas=True)
                )
            engagement = pc.multiply(part["total_reviews"].cast(pa.float64()), part["avg_rating"])
            part = part.set_column(part.column_names.index("engagement_score"), "engagement_score", engagement)
            for segment_id, count in zip(*np.unique(part["segment_id"].to_numpy(), return_counts=True), strict=True):
                sizes[str(segment_id)] += int(count)
            yield from part.combine_chunks().to_batches()

    def profile_batches() -> Iterator[pa.RecordBatch]:
        counts = pa.array([sizes[each] for each in profiles["segment_id"].to_pylist()], pa.int64())
        shares = pc.divide(counts.cast(pa.float64()), float(users))
        names = profiles.column_names
        scaled = profiles.set_column(names.index("users"), "users", counts)
        yield from scaled.set_column(names.index("share"), "share", shares).to_batches()

    tables = {
        table: pq.read_table(last.table_path(table.name)).to_batches()
        for table in PUBLISHED_TABLES
        if table not in (SEGMENT_ASSIGNMENTS, SEGMENT_PROFILES)
    }
    return publish(
        home.published,
        Provenance(
            run_id=last.run_id,
            created=datetime.now(UTC),
            code_version=last.manifest["code_version"],
            model_version=last.model_version,
            currency=last.currency,
            inputs=tuple(last.inputs),
        ),
        tables={SEGMENT_ASSIGNMENTS: batches(), SEGMENT_PROFILES: profile_batches(), **tables},
        files={name: (last.path / name).read_bytes() for name in PUBLISHED_FILES},
        settings=Settings(),
    )


def users_csv(path: Path, *, rows: int) -> Path:
    """A CSV to score."""
    random = np.random.default_rng(11)
    columns = {
        "user_id": pa.array([f"customer-{row:07d}" for row in range(rows)]),
        "total_reviews": random.geometric(0.5, rows),
        "avg_rating": random.uniform(1, 5, rows).round(1),
        "avg_discount": random.uniform(0, 90, rows).round(1),
        "avg_spend": np.exp(random.normal(6.5, 1.2, rows)).round(2),
    }
    pa.csv.write_csv(pa.table({name: columns[name] for name in USERS_TO_SCORE.column_names}), path)
    return path


def seconds_until(browser: Browser, address: str, page: str) -> float:
    """Seconds from asking for a page to the sight of its last heading, in a browser that has never seen the app."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    window = context.new_page()
    started = time.perf_counter()
    window.goto(address if page == "overview" else f"{address}/{page}", wait_until="commit")
    window.get_by_text(PAGES[page], exact=True).last.wait_for(timeout=_WAIT_SECONDS * 1000)
    elapsed = time.perf_counter() - started
    context.close()
    return elapsed


def scoring(address: str, *, times: int, server: psutil.Process) -> dict[str, float]:
    """Milliseconds of the server for a change of a value of the form on the loaded page."""
    found = []
    with session_of(address) as session:
        session.run("score_user")
        discount = next(label for label in session.number_inputs if "discount" in label)
        session.run("score_user", {discount: 50.0})
        before = sum(server.cpu_times()[:2])
        for each in range(times):
            seconds, errors = session.run("score_user", {discount: float(each % 90)})
            assert not errors, errors
            found.append(seconds)
        processor = sum(server.cpu_times()[:2]) - before
    return {
        "median": round(1000 * statistics.median(found), 1),
        "slowest": round(1000 * max(found), 1),
        "processor": round(1000 * processor / times, 1),
    }


def opening(address: str, *, times: int) -> dict[str, float]:
    """Milliseconds of the server for the first page of a new session, the server being warm."""
    found = []
    for _ in range(times):
        with session_of(address) as session:
            seconds, errors = session.run("overview")
            assert not errors, errors
            found.append(seconds)
    return {"median": round(1000 * statistics.median(found), 1), "slowest": round(1000 * max(found), 1)}


def crowd(address: str, *, sessions: int) -> dict[str, object]:
    """Sessions that all start at once and open every page one after the other."""
    start = threading.Barrier(sessions)

    def one(_: int) -> tuple[list[float], list[str]]:
        with session_of(address) as session:
            start.wait()
            runs = [session.run(page) for page in PAGES]
        return [seconds for seconds, _ in runs], [error for _, errors in runs for error in errors]

    started = time.perf_counter()
    with ThreadPoolExecutor(sessions) as pool:
        answers = list(pool.map(one, range(sessions)))
    seconds = [each for answer, _ in answers for each in answer]
    return {
        "sessions": sessions,
        "pages": len(seconds),
        "errors": [error for _, errors in answers for error in errors],
        "seconds": round(time.perf_counter() - started, 2),
        "median_page_seconds": round(statistics.median(seconds), 3),
        "slowest_page_seconds": round(max(seconds), 3),
    }


def upload(browser: Browser, address: str, path: Path, *, rows: int, server: psutil.Process) -> dict[str, object]:
    """A file scored by the page: seconds from choosing it to its result, steps of the progress bar, memory."""
    window = browser.new_page()
    window.goto(f"{address}/score_file")
    window.get_by_text("Download a template").wait_for(timeout=_WAIT_SECONDS * 1000)
    before_bytes, peak_bytes, seen = server.memory_info().rss, 0, set[str]()
    started = time.perf_counter()
    window.locator('input[type="file"]').set_input_files(path)
    result = window.get_by_text("Rows scored")
    while not result.is_visible():
        peak_bytes = max(peak_bytes, server.memory_info().rss)
        bar = window.get_by_test_id("stProgress")
        if bar.count():
            seen.update(bar.all_inner_texts())
        time.sleep(0.05)
        if time.perf_counter() - started > 10 * _WAIT_SECONDS:
            sys.exit("the upload has not been scored")
    elapsed = time.perf_counter() - started
    is_whole = window.get_by_text(f"{rows:,}", exact=True).first.is_visible()
    window.close()
    return {
        "rows": rows,
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "seconds": round(elapsed, 1),
        "all_rows_scored": is_whole,
        "progress_steps_seen": len(seen),
        "server_mb_before": round(before_bytes / 1e6),
        "server_mb_most": round(peak_bytes / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="a data root whose pipeline has run")
    parser.add_argument("--out", type=Path, required=True, help="folder for the snapshot and the figures")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--upload-rows", type=int, default=1_000_000, help="0 leaves the upload out")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    home = Home(given.out.absolute() / f"home-{given.users}")
    home.root.mkdir(parents=True, exist_ok=True)
    snapshot = read_latest(home.root) if home.published.exists() else None
    if snapshot is None:
        snapshot = scaled_snapshot(read_latest(given.home), home, users=given.users)
    figures: dict[str, object] = {
        "users": snapshot.rows(SEGMENT_ASSIGNMENTS.name),
        "parquet_mb": round(snapshot.table_path(SEGMENT_ASSIGNMENTS.name).stat().st_size / 1e6, 1),
        "cores": psutil.cpu_count(),
        "load_average_before": round(psutil.getloadavg()[0], 1),
    }
    with served_app(home.root, log=given.out / "app.log") as address, sync_playwright() as playwright:
        server = next(
            each
            for each in psutil.Process().children()
            if "streamlit" in " ".join(each.cmdline()) and each.is_running()
        )
        browser = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox", "--disable-gpu"])
        figures["first_page_of_the_server_seconds"] = round(seconds_until(browser, address, "overview"), 2)
        warm = [seconds_until(browser, address, "overview") for _ in range(7)]
        figures["first_page_warm_seconds"] = {
            "median": round(statistics.median(warm), 2),
            "slowest": round(max(warm), 2),
        }
        figures["pages_seconds"] = {
            page: {
                "first": round(seconds_until(browser, address, page), 2),
                "later": round(statistics.median(seconds_until(browser, address, page) for _ in range(3)), 2),
            }
            for page in PAGES
        }
        figures["first_page_of_a_session_server_ms"] = opening(address, times=20)
        figures["score_a_user_ms"] = scoring(address, times=100, server=server)
        figures["crowd"] = crowd(address, sessions=given.sessions)
        figures["server_mb"] = round(server.memory_info().rss / 1e6)
        if given.upload_rows:
            path = users_csv(given.out / "users.csv", rows=given.upload_rows)
            figures["upload"] = upload(browser, address, path, rows=given.upload_rows, server=server)
        browser.close()
    text = json.dumps(figures, indent=2)
    (given.out / "figures.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
