"""A clock that is set back ten years between two runs, and then corrected."""

from datetime import UTC, datetime

from amzseg_pipeline import read_latest
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.storage.landing.synthetic_exports import sales_csv

RIGHT, WRONG = datetime(2030, 6, 1, 2, tzinfo=UTC), datetime(2020, 6, 1, 2, tzinfo=UTC)


def test_sequences_increase_whatever_the_clock_says(tmp_path):
    settings = {**scenario.QUICK, "keep_snapshots": 1, "keep_snapshot_hours": 48}
    for run_day, now in enumerate((RIGHT, WRONG, RIGHT), start=1):
        data_root = scenario.data_root_with(tmp_path, export=sales_csv([{}] * (20 + run_day)))
        result = scenario.run(data_root, now=now, settings=settings, skip_settling=True)
        assert result.success, scenario.failure(result)
        snapshot = read_latest(data_root.root)
        assert (snapshot.sequence, snapshot.created) == (run_day, now)
        assert snapshot.rows("segment_assignments") == 2 * (20 + run_day)
    kept = sorted(path.name[:15] for path in (data_root.published / "snapshots").iterdir())
    assert kept == ["000001-20300601", "000003-20300601"]  # snapshots ten years old may expire, those of today may not
