"""A damaged export is refused with a message, or all its rows are counted; messages contain no private text."""

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest

from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.reliability.damage import BYTE_KINDS, Damage, csv_record_ends, damages, line_ends
from amzseg_pipeline_tests.reliability.reconciliation import (
    Outcome,
    gzipped_lines_counts,
    lines_counts,
    outcomes,
    real_outcomes,
    sales_counts,
    table,
    undetected_cuts,
)

MARKER = "Xanthippe"
PRIVATE_COLUMNS = ("user_name", "review_title", "review_content")


def marked_sample(listings: int) -> bytes:
    """The first listings of the bundled sample; every name, title and text of a reviewer starts with the marker."""
    rows = list(csv.DictReader(io.StringIO(scenario.SAMPLE.read_text(encoding="utf-8"), newline="")))[:listings]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {name: f"{MARKER} {row[name]}" for name in PRIVATE_COLUMNS} for row in rows)
    return text.getvalue().encode()


def marked_lines(reviews: int) -> bytes:
    """Reviews in the form of Amazon Reviews 2023, with the marker in title and text, some of them escaped."""
    lines = (
        json.dumps(
            {
                "rating": float(1 + number % 5),
                "title": f'{MARKER} "liked" it, {number}',
                "text": f"{MARKER} says: {{}} [] \n é 🙂 {number}",
                "images": [],
                "asin": f"B{number % 7:09d}",
                "parent_asin": f"B{number % 5:09d}",
                "user_id": f"A{number % 40:027d}",
                "timestamp": 1_600_000_000_000 + 86_400_000 * (number % 90),
                "helpful_vote": number % 3,
                "verified_purchase": True,
            },
            ensure_ascii=bool(number % 2),
        )
        for number in range(reviews)
    )
    return "".join(f"{line}\n" for line in lines).encode()


def test_damage_to_the_sample_is_refused_or_counted(tmp_path: Path) -> None:
    content = marked_sample(40)
    damaged = damages(content, seed=8, count=54, record_ends=csv_record_ends(content))
    found = outcomes(tmp_path, damaged, name="amazon.csv", account=sales_counts, private=[MARKER])
    assert_no_fault(found)
    assert {"refused", "counted", "complete records"} <= {outcome.word for outcome in found}


def test_damage_to_json_lines_is_refused_or_counted(tmp_path: Path) -> None:
    content = marked_lines(100)
    damaged = damages(content, seed=9, count=54, record_ends=line_ends(content))
    found = outcomes(tmp_path, damaged, name="reviews.jsonl", account=lines_counts, private=[MARKER])
    assert_no_fault(found)
    assert {"refused", "counted", "complete records"} <= {outcome.word for outcome in found}


def test_damage_to_compressed_json_lines_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(marked_lines(100), mtime=0)
    damaged = damages(packed, seed=10, count=28, record_ends=[], kinds=BYTE_KINDS)
    found = outcomes(tmp_path, damaged, name="reviews.jsonl.gz", account=gzipped_lines_counts, private=[MARKER])
    assert_no_fault(found)


@pytest.mark.parametrize("sidecar", ["sha256", "rows"])
def test_sidecars_detect_cuts_between_records(tmp_path: Path, sidecar: str) -> None:
    content = marked_sample(12)
    ends = csv_record_ends(content)
    says = {"sha256": hashlib.sha256(content).hexdigest(), "rows": str(len(ends) - 1)}[sidecar].encode()
    cuts = [Damage("cut", content[:end], is_complete_records=True) for end in ends[1:-1]]
    assert len(cuts) == 11
    assert undetected_cuts(tmp_path / "sidecar", cuts, name="amazon.csv", sidecar=sidecar, says=says) == 0
    assert undetected_cuts(tmp_path / "alone", cuts, name="amazon.csv", sidecar=sidecar, says=b"") == 11


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(4 * 3600)
def test_damage_to_real_exports_is_refused_or_counted(tmp_path: Path, real_data: Path) -> None:
    for _, found in real_outcomes(tmp_path, real_data, count=3_000):
        assert_no_fault(found)


def assert_no_fault(found: list[Outcome]) -> None:
    faults = [f"{outcome.kind}: {outcome.fault}" for outcome in found if outcome.fault]
    assert not faults, "\n".join([table(found), *faults[:10]])
