"""The report page: escaped, self-contained, with valid links."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from amzseg_pipeline.contracts.model import DroppedFeature
from amzseg_pipeline.steps.figures.facts import review_facts, segment_facts, user_facts
from amzseg_pipeline.steps.figures.report import ReportSection, report_page
from amzseg_pipeline_tests.steps.figures.test_segments import complete_data

ODD = "<script>alert('₹ & \"co\"')</script>"
SECTIONS = [
    ReportSection(
        group=group,
        facts={f"fact of {group}": f"one\n{ODD}"},
        plots=({"name": f"plot_{group}", "title": f"{ODD} leads", "caption": f"It is {ODD}."},),
        missing=(
            {"name": "by_date", "reason": f"no {ODD}", "is_fault": False},
            {"name": "broken", "reason": "ValueError: x", "is_fault": True},
        ),
        images={f"plot_{group}": b"\x89PNG bytes"},
    )
    for group in ("reviews", "segments")
]
PAGE = report_page(SECTIONS, run_id="run-1", made_at="2024-01-01 02:00 UTC")


class _Read(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def read() -> _Read:
    page = _Read()
    page.feed(PAGE)
    return page


def test_text_from_data_is_escaped():
    page = read()
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert page.text.count(ODD) == 2 * (1 + 1 + 1 + 1)
    assert {attributes["alt"] for tag, attributes in page.tags if tag == "img"} == {f"{ODD} leads"}


def test_links_of_the_contents_have_targets():
    tags = read().tags
    links = [attributes["href"] for tag, attributes in tags if tag == "a"]
    anchors = {attributes["id"] for _, attributes in tags if "id" in attributes}
    assert len(links) == 4
    assert {link.removeprefix("#") for link in links} <= anchors


def test_page_is_self_contained():
    tags = read().tags
    assert all(attributes["src"].startswith("data:image/png;base64,") for tag, attributes in tags if tag == "img")
    assert not [tag for tag, _ in tags if tag in ("link", "iframe", "script")]
    assert not re.search(r"https?://|url\(|@import", PAGE)


def test_skipped_plots_are_listed_and_faults_marked():
    assert "by date: no" in read().text
    assert "<li class=fault>broken: ValueError: x</li>" in PAGE


def test_facts_contain_inputs_counts_segments_and_model():
    batch = {"path": "in/a.csv", "format": "some CSV", "rows": 1_234, "sha256": "ab" * 32}
    facts = review_facts([batch], row_reconciliation="1,234 raw rows = all", currency=None)
    assert list(facts) == ["Rows", "Currency", "Inputs"]
    assert facts["Inputs"] == "in/a.csv (some CSV, 1,234 rows, sha256 abababababababab…)"
    assert facts["Currency"] == "none (no prices)"
    lines = segment_facts(complete_data())["Segments"].splitlines()
    counts = complete_data().profiles.set_index("segment_id")["users"]
    assert [line.split()[0] for line in lines] == list(counts.index)
    assert all(f"{users:,} users" in line for line, users in zip(lines, counts, strict=True))
    assert segment_facts(complete_data())["Model"].startswith(complete_data().model.version)
    assert segment_facts(complete_data())["Number of segments"].startswith("3, ")
    dropped = (DroppedFeature("avg_discount", "no user has a value"),)
    model = replace(complete_data().model, scaling=replace(complete_data().model.scaling, dropped=dropped))
    assert (
        "mean discount dropped (no user has a value)"
        in segment_facts(replace(complete_data(), model=model))["Features"]
    )
    assert user_facts(9_050) == {"Users": "9,050"}


def test_facts_state_the_meaning_of_ratings_and_prices():
    batch = {"path": "a.csv", "format": "Amazon Sales Dataset CSV", "rows": 1, "sha256": "ab" * 32}
    facts = review_facts([batch], row_reconciliation="", currency="INR")
    assert facts["Ratings"] == "mean ratings of the products, not of the reviewers"
    assert facts["Prices"] == "prices of the listings at export, not what reviewers paid"


def test_page_starts_with_the_first_section_and_stacks_facts_on_phones():
    assert PAGE.index("fact of reviews") < PAGE.index("fact of segments")
    assert re.search(r"@media \(max-width: 40rem\) \{[^}]*\}[^}]*\}\s*th, td \{ display: block", PAGE)
