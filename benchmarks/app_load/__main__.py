"""Load test of the app: response times on a snapshot of a million users, and many concurrent sessions.

    python -m benchmarks.app_load --data data --out /tmp/app_load --users 1000000

The data root must hold a snapshot. It is published again below --out with its users repeated under new ids until there
are --users of them, with small random changes, and the same model. The app then serves that snapshot:

    first page      until its numbers are visible in a browser, on the server's first visit and later
    every page      the same for the other pages
    score a user    one value of the form changed: duration of the server's run, and its processor time
    sessions        concurrent sessions that open every page; none may show an error
    upload          a CSV of --upload-rows users scored by the page, and the server's memory

The figures are printed and written to --out as figures.json.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import psutil
from playwright.sync_api import Browser, sync_playwright

from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.serving import served_app
from benchmarks.app_load.sessions import crowd, opening, scoring
from benchmarks.app_load.snapshots import scaled_snapshot, users_csv

PAGES = {
    "overview": "Segments and what to do for each",
    "segments": "Users",
    "score_user": "What decided it",
    "find_user": "User id",
    "plots": "Plots",
    "about": "Source exports",
}
"""URL path of a page, and a heading or label near its end."""

_WAIT_SECONDS = 120


def seconds_until(browser: Browser, address: str, page: str) -> float:
    """Seconds from the request of a page until its last heading is visible, in a new browser context."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    window = context.new_page()
    started = time.perf_counter()
    window.goto(address if page == "overview" else f"{address}/{page}", wait_until="commit")
    window.get_by_text(PAGES[page], exact=True).last.wait_for(timeout=_WAIT_SECONDS * 1000)
    elapsed = time.perf_counter() - started
    context.close()
    return elapsed


def upload(browser: Browser, address: str, path: Path, *, rows: int, server: psutil.Process) -> dict[str, object]:
    """A file scored by the page: seconds until the result, observed progress steps, memory of the server."""
    window = browser.new_page()
    window.goto(f"{address}/score_file")
    window.get_by_text("Download a template").wait_for(timeout=_WAIT_SECONDS * 1000)
    before_bytes, peak_bytes, observed = server.memory_info().rss, 0, set[str]()
    started = time.perf_counter()
    window.locator('input[type="file"]').set_input_files(path)
    result = window.get_by_text("Rows scored")
    while not result.is_visible():
        peak_bytes = max(peak_bytes, server.memory_info().rss)
        bar = window.get_by_test_id("stProgress")
        if bar.count():
            observed.update(bar.all_inner_texts())
        time.sleep(0.05)
        if time.perf_counter() - started > 10 * _WAIT_SECONDS:
            sys.exit("the upload was not scored")
    elapsed = time.perf_counter() - started
    is_complete = window.get_by_text(f"{rows:,}", exact=True).first.is_visible()
    window.close()
    return {
        "rows": rows,
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "seconds": round(elapsed, 1),
        "all_rows_scored": is_complete,
        "progress_steps_observed": len(observed),
        "server_mb_before": round(before_bytes / 1e6),
        "server_mb_max": round(peak_bytes / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data root with a snapshot")
    parser.add_argument("--out", type=Path, required=True, help="folder for the snapshot and the figures")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--upload-rows", type=int, default=1_000_000, help="0 skips the upload")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    data_root = DataRoot(options.out.absolute() / f"data-{options.users}")
    data_root.root.mkdir(parents=True, exist_ok=True)
    snapshot = read_latest(data_root.root) if data_root.published.exists() else None
    if snapshot is None:
        snapshot = scaled_snapshot(read_latest(options.data), data_root, users=options.users)
    figures: dict[str, object] = {
        "users": snapshot.rows(SEGMENT_ASSIGNMENTS.name),
        "parquet_mb": round(snapshot.table_path(SEGMENT_ASSIGNMENTS.name).stat().st_size / 1e6, 1),
        "cores": psutil.cpu_count(),
        "load_average_before": round(psutil.getloadavg()[0], 1),
    }
    with served_app(data_root.root, log=options.out / "app.log") as address, sync_playwright() as playwright:
        server = next(
            each
            for each in psutil.Process().children()
            if "streamlit" in " ".join(each.cmdline()) and each.is_running()
        )
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox", "--disable-gpu"])
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
        figures["crowd"] = crowd(address, list(PAGES), sessions=options.sessions)
        figures["server_mb"] = round(server.memory_info().rss / 1e6)
        if options.upload_rows:
            path = users_csv(options.out / "users.csv", rows=options.upload_rows)
            figures["upload"] = upload(browser, address, path, rows=options.upload_rows, server=server)
        browser.close()
    text = json.dumps(figures, indent=2)
    (options.out / "figures.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
