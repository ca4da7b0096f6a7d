"""A damaged export is refused in words, or every row of it is accounted for; what it says stays out of the words."""

import csv
import hashlib
import io
from pathlib import Path

import pytest

from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.reliability.accounts import Outcome, outcomes, sales_account, table, undetected_cuts
from amzseg_pipeline_tests.reliability.damage import Damage, csv_record_ends, damages

MARKER = "Xanthippe"
PRIVATE_COLUMNS = ("user_name", "review_title", "review_content")


def marked_sample(listings: int) -> bytes:
    """The first listings of the bundled sample; every name, title and text of a reviewer begins with the marker."""
    rows = list(csv.DictReader(io.StringIO(scenario.SAMPLE.read_text(encoding="utf-8"), newline="")))[:listings]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {name: f"{MARKER} {row[name]}" for name in PRIVATE_COLUMNS} for row in rows)
    return text.getvalue().encode()


def test_damages_of_the_sample_are_refused_or_accounted_for(tmp_path: Path) -> None:
    content = marked_sample(40)
    damaged = damages(content, seed=8, count=162, record_ends=csv_record_ends(content))
    found = list(outcomes(tmp_path, damaged, name="amazon.csv", account=sales_account, private=[MARKER]))
    assert_no_fault(found)
    assert {"refused", "accounted for", "whole records"} <= {outcome.word for outcome in found}


@pytest.mark.parametrize("sidecar", ["sha256", "rows"])
def test_cuts_at_the_end_of_a_record_are_caught_by_what_stands_beside(tmp_path: Path, sidecar: str) -> None:
    content = marked_sample(12)
    ends = csv_record_ends(content)
    says = {"sha256": hashlib.sha256(content).hexdigest(), "rows": str(len(ends) - 1)}[sidecar].encode()
    cuts = [Damage("cut", content[:end], is_whole_records=True) for end in ends[1:-1]]
    assert len(cuts) == 11
    assert undetected_cuts(tmp_path / "beside", cuts, name="amazon.csv", sidecar=sidecar, says=says) == 0
    assert undetected_cuts(tmp_path / "alone", cuts, name="amazon.csv", sidecar="unknown", says=b"") == 11


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.timeout(4 * 3600)
def test_damages_of_the_real_export_are_refused_or_accounted_for(tmp_path: Path, real_data: Path) -> None:
    content = (real_data / "amazon.csv").read_bytes()
    damaged = damages(content, seed=9, count=1_500, record_ends=csv_record_ends(content))
    assert_no_fault(list(outcomes(tmp_path, damaged, name="amazon.csv", account=sales_account, private=[])))


def assert_no_fault(found: list[Outcome]) -> None:
    faults = [f"{outcome.damage.kind}: {outcome.fault}" for outcome in found if outcome.fault]
    assert not faults, "\n".join([table(found), *faults[:10]])
