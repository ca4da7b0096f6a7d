"""Screenshots of every page of the app, wide and narrow, light and dark.

python benchmarks/app_screenshots.py FOLDER [--pages overview,segments] [--data /path/to/data]
"""

import argparse
import os
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from amzseg_pipeline_tests.app.serving import served_app

WIDTHS = {"wide": 1280, "narrow": 390}
SCHEMES = ("light", "dark")
PAGES = (
    "overview",
    "segments",
    "score_user",
    "find_user",
    "score_file",
    "plots",
    "about",
    "about#Model",
    "about#Files",
)
UPLOAD = (
    "user_id,total_reviews,avg_rating,avg_discount,avg_spend\n"
    "ann,3,4.3,25,1499.50\nbob,1,,60.5,\ncarl,14,4.1,35,6100\n=dora,2,3.9,64,480\nemil,0,4,20,300\nfinn,2,7,20,300\n"
)


def skip_settling(page: Page) -> None:
    """Waits until the page has finished running and rendering."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=30_000)
    page.wait_for_function("document.querySelectorAll('[data-testid=stSkeleton]').length === 0", timeout=30_000)
    page.wait_for_timeout(1200)


def act(page: Page, name: str) -> None:
    """Fills in the forms of a page."""
    if name == "find_user":
        cell = page.get_by_test_id("stDataFrame").first
        if cell.count():
            cell.click(position={"x": 20, "y": 55})
            page.get_by_test_id("stPlotlyChart").wait_for()
            skip_settling(page)
    if name == "score_file":
        page.locator('input[type="file"]').set_input_files(
            {"name": "users.csv", "mimeType": "text/csv", "buffer": UPLOAD.encode()}
        )
        page.get_by_role("heading", name="Rejected rows").wait_for()
        skip_settling(page)


def take(page: Page, path: Path, width: int) -> None:
    """A screenshot of the complete page; it scrolls inside itself, so the window is made tall enough."""
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": min(int(height) + 20, 8000)})
    page.wait_for_timeout(600)
    page.screenshot(path=str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", default=",".join(PAGES))
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AMZSEG_DATA") or "data"))
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with (
        served_app(options.data.absolute(), log=options.folder / "app.log") as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        for scheme in options.schemes.split(","):
            for layout, width in WIDTHS.items():
                window = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for name in options.pages.split(","):
                    page = window.new_page()
                    path, _, tab = name.partition("#")
                    page.goto(address if path == "overview" else f"{address}/{path}")
                    skip_settling(page)
                    if tab:
                        page.get_by_role("tab", name=tab).click()
                    act(page, name)
                    take(page, options.folder / f"{name.replace('#', '_').lower()}_{layout}_{scheme}.png", width)
                    page.close()
                window.close()
        browser.close()


if __name__ == "__main__":
    main()
