from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from amzseg_pipeline.contracts.history import SEGMENT_HISTORY
from amzseg_pipeline.contracts.publish import MODEL_EXPORT_FILE, MODEL_FILE, RUN_FILE
from amzseg_pipeline.contracts.segments import SEGMENT_ASSIGNMENTS
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.parquet.arrow_schema import arrow_schema
from amzseg_pipeline.storage.serving.rfm_outcomes import RfmOutcomes, rfm_outcomes
from amzseg_pipeline.storage.serving.snapshot_queries import PublishedUsers
from amzseg_pipeline.storage.snapshots import Snapshot, publish
from amzseg_pipeline_tests.storage.snapshots.runs import (
    provenance_of,
    segment_assignments,
    segment_history,
    small_tables,
)

GROUPS = ["champions", "champions", "at risk", None]


def replaced(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    index = table.schema.get_field_index(name)
    return table.set_column(index, table.schema.field(name), pa.array(values, table.schema.field(name).type))


def published(
    folder: Path,
    run_day: int,
    dates: list[date],
    *,
    reviews: list[int],
    spend: list[float],
    recency: tuple[int, ...] = (500, 500, 500, 500),
) -> Snapshot:
    """A run of users 0, 1, ... with these values; `dates` are the as_of of all runs so far."""
    users = segment_assignments(run_day, users=len(reviews))
    for name, values in (("total_reviews", reviews), ("total_spend", spend), ("rfm_group", GROUPS[: len(reviews)])):
        users = replaced(users, name, values)
    users = replaced(replaced(users, "as_of", [dates[-1]] * len(reviews)), "recency_days", list(recency))
    history = replaced(segment_history(run_day), "as_of", list(dates))
    files = {RUN_FILE: b"{}", MODEL_FILE: b'{"format": 1}', MODEL_EXPORT_FILE: b""}
    tables = {**small_tables(run_day), SEGMENT_HISTORY: history.to_batches(), SEGMENT_ASSIGNMENTS: users.to_batches()}
    assert pc.all(pc.equal(users["total_reviews"], pa.array(reviews))).as_py()
    assert users.schema.equals(arrow_schema(SEGMENT_ASSIGNMENTS))
    return publish(folder, provenance_of(run_day), tables=tables, files=files, settings=Settings())


def outcomes(folder: Path, dates: list[date]) -> RfmOutcomes | None:
    published(folder, 1, dates[:1], reviews=[5, 6, 2, 1], spend=[50.0, 60.0, 20.0, 10.0])
    if len(dates) > 2:
        published(folder, 2, dates[:2], reviews=[5, 6, 2, 1], spend=[50.0, 60.0, 20.0, 10.0])
    latest = published(
        folder, len(dates), dates, reviews=[8, 6, 4, 9], spend=[80.0, 60.0, 40.0, 90.0], recency=(10, 500, 500, 10)
    )
    return rfm_outcomes(folder, latest, PublishedUsers(latest))


def test_what_each_group_did_since_an_earlier_snapshot(tmp_path: Path) -> None:
    """Old reviews that arrive late count in the means, but their user did not review again."""
    found = outcomes(tmp_path / "published", [date(2025, 9, 1), date(2025, 12, 1), date(2026, 1, 1)])
    assert found is not None
    assert (found.since, found.until) == (date(2025, 9, 1), date(2026, 1, 1))
    assert found.groups.to_dict("records") == [
        {"rfm_group": "champions", "users": 2, "share_active": 0.5, "reviews": 1.5, "spend": 15.0},
        {"rfm_group": "at risk", "users": 1, "share_active": 0.0, "reviews": 2.0, "spend": 20.0},
    ]


@pytest.mark.parametrize("first", [date(2025, 10, 4), date(2026, 1, 1)])
def test_a_younger_snapshot_says_nothing(tmp_path: Path, first: date) -> None:
    assert outcomes(tmp_path / "published", [first, date(2026, 1, 1)]) is None


def test_a_damaged_or_removed_snapshot_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    dates = [date(2025, 9, 1), date(2026, 1, 1)]
    assert outcomes(folder, dates) is not None
    first = next(each for each in (folder / "snapshots").iterdir() if "00001" in each.name)
    (first / "segment_assignments.parquet").write_bytes(b"damaged")
    latest = published(folder, 3, [*dates, dates[1]], reviews=[8, 6, 2, 9], spend=[80.0, 60.0, 20.0, 90.0])
    assert rfm_outcomes(folder, latest, PublishedUsers(latest)) is None
