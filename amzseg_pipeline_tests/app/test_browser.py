"""The app in a real browser, on a desktop and on a phone."""

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page, expect, sync_playwright

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline_tests.app.serving import served_app
from amzseg_pipeline_tests.app.snapshots import publish_again

CHROMIUM = Path("/usr/bin/chromium")
WAIT_MS = 60_000
UPLOAD = (
    "user_id,total_reviews,avg_rating,avg_discount,avg_spend\nann,14,4.1,35,6100\n=1+1,2,3.9,64,480\nemil,0,4,20,300\n"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM} (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def data_root(_sample_run: Path, tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = tmp_path_factory.mktemp("browsed") / "data"
    shutil.copytree(_sample_run, root)
    return DataRoot(root)


@pytest.fixture(scope="module")
def address(data_root: DataRoot) -> Iterator[str]:
    log = data_root.root.parent / "app.log"
    with served_app(data_root.root, log=log) as address:
        yield address
    assert "Traceback" not in log.read_text()
    assert "leak" not in log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def window(browser: Browser, address: str) -> Iterator[Page]:
    """A window of 1280 x 900; errors in it and requests to other hosts fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda asked: None if is_of(asked.url, address) else problems.append(asked.url))
    yield page
    context.close()
    assert problems == []


def is_of(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws", 1), "data:", "blob:"))


def open_page(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", level=1, name=title)).to_be_visible()


def downloaded(page: Page, button: str) -> list[dict[str, str]]:
    """The rows of the CSV behind a button."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    return rows_of(waiting.value)


def downloaded_by_link(page: Page, link: str) -> list[dict[str, str]]:
    """The rows of the CSV behind a link, opened in the same tab."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name=link).evaluate("link => { link.target = '_self'; link.click(); }")
    return rows_of(waiting.value)


def rows_of(download: Download) -> list[dict[str, str]]:
    with Path(download.path()).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_main_path_through_the_pages(window: Page, address: str, data_root: DataRoot) -> None:
    users = read_latest(data_root.root).segment_assignments()
    largest = users["segment_name"].value_counts().index[0]

    window.goto(address)
    expect(window.get_by_role("heading", level=1, name="Customer segments")).to_be_visible()
    expect(window.get_by_test_id("stMetric").filter(has_text="Users").first).to_contain_text(f"{len(users):,}")
    expect(window.get_by_role("heading", level=3).first).to_contain_text(largest)
    expect(window.get_by_text("Snapshot 1 ·")).to_be_visible()

    open_page(window, "Score a user")
    for label, value in (("Reviews", "12"), (re.compile("^Average spend"), "6000")):
        window.get_by_role("spinbutton", name=label).fill(value)
        window.keyboard.press("Enter")
    expect(window.get_by_role("heading", level=2)).to_contain_text("Premium Loyalists")
    expect(window.get_by_test_id("stPlotlyChart")).to_be_visible()

    open_page(window, "Find a user")
    found = users.iloc[len(users) // 2]
    window.get_by_role("textbox", name="User id").fill(found["user_id"])
    window.keyboard.press("Enter")
    expect(window.get_by_role("heading", level=2)).to_contain_text(found["segment_name"])
    expect(window.get_by_text("Compared with the segment and all users")).to_be_visible()

    open_page(window, "Score a file")
    window.locator('input[type="file"]').set_input_files(
        {"name": "users.csv", "mimeType": "text/csv", "buffer": UPLOAD.encode()}
    )
    expect(window.get_by_role("heading", name="Rejected rows")).to_be_visible()
    scored = downloaded(window, "Download the result as CSV")
    assert [(row["user_id"], row["segment_name"]) for row in scored] == [
        ("ann", "Premium Loyalists"),
        ("'=1+1", "Deal Seekers"),
    ]
    assert [row["user_id"] for row in downloaded(window, "Download the rejected rows as CSV")] == ["emil"]

    open_page(window, "Segments")
    assignments = downloaded_by_link(window, "Download as CSV")
    assert {row["user_id"] for row in assignments} == set(users.loc[users["segment_name"] == largest, "user_id"])

    publish_again(data_root)
    expect(window.get_by_text("Snapshot 2 ·")).to_be_visible()
    expect(window.get_by_test_id("stException")).to_have_count(0)


def test_no_page_overflows_on_a_phone(window: Page, address: str) -> None:
    window.set_viewport_size({"width": 390, "height": 844})
    for page in ("", "segments", "score_user", "find_user", "score_file", "plots", "about"):
        window.goto(f"{address}/{page}")
        expect(window.get_by_role("heading", level=1)).to_be_visible()
        expect(window.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()
        width = window.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert width <= 390, page
