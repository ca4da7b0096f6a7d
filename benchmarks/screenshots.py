"""Screenshots of the plots: assets in the Dagster UI, and the report on screen and printed.

    python benchmarks/screenshots.py --data data --out looks/screens

The data root must hold a run. Starts a Dagster webserver; needs chromium.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

_ASSETS = ("eda_reviews", "eda_users", "eda_segments")
_CHROMIUM_FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_START_SECONDS = 90
_SCREEN = {"width": 1440, "height": 1000}


def main() -> None:
    """Takes the screenshots and prints their paths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a data root with a run")
    parser.add_argument("--out", type=Path, required=True, help="folder for the screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    reports = sorted(options.data.absolute().glob("artifacts/*/report.html"), key=lambda path: path.stat().st_mtime)
    if not reports:
        sys.exit(f"{options.data}: no report; run the pipeline first.")
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_CHROMIUM_FLAGS))
        _screenshot_report(browser, reports[-1], options.out)
        with _webserver(options.data.absolute()) as address:
            _screenshot_assets(browser, address, options.out)
        browser.close()
    for path in sorted(options.out.iterdir()):
        print(path)


def _screenshot_report(browser: Browser, report: Path, out: Path) -> None:
    """Opens the report from disk without network."""
    context = browser.new_context(viewport=_SCREEN, offline=True)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri())
    page.screenshot(path=out / "report_top.png")
    page.locator("#segments").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    page.screenshot(path=out / "report_segments.png")
    page.pdf(path=out / "report.pdf", format="A4", prefer_css_page_size=True, print_background=True)
    others = [url for url in requests if not url.startswith(("file:", "data:"))]
    print(f"{report}: {len(others)} requests to the network")
    context.close()


def _screenshot_assets(browser: Browser, address: str, out: Path) -> None:
    page = browser.new_context(viewport=_SCREEN).new_page()
    page.goto(f"{address}/asset-groups")
    _settle(page)
    page.screenshot(path=out / "ui_lineage.png")
    for asset in _ASSETS:
        page.goto(f"{address}/assets/{asset}")
        _settle(page)
        page.screenshot(path=out / f"ui_{asset}.png")
        shown = page.get_by_text("Show Markdown").first
        if shown.count():
            shown.click()
            _settle(page)
            page.screenshot(path=out / f"ui_{asset}_plots.png")


def _settle(page: Page) -> None:
    page.wait_for_load_state("load")
    page.wait_for_timeout(4_000)


@contextmanager
def _webserver(data_root: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "AMZSEG_DATA": str(data_root),
        "DAGSTER_HOME": str(data_root / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "amzseg_pipeline.definitions"]
    server = subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(port)], env=environment)
    try:
        yield _started_address(f"http://127.0.0.1:{port}")
    finally:
        server.terminate()
        server.wait(timeout=30)


def _started_address(address: str) -> str:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{address}/server_info", timeout=2).close()
            return address
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(1)
    sys.exit(f"{address}: the webserver did not answer within {_START_SECONDS} s.")


if __name__ == "__main__":
    main()
