from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.snapshots import read_latest
from amzseg_pipeline.storage.snapshots.layout import SnapshotName, snapshot_names
from amzseg_pipeline.storage.snapshots.retention import expired_snapshots
from amzseg_pipeline_tests.storage.snapshots.runs import FIRST_RUN, publish_run, run_of


def runs(count: int, *, hours_apart: float) -> list[SnapshotName]:
    return [
        SnapshotName(number, FIRST_RUN + timedelta(hours=hours_apart * number), f"run{number}")
        for number in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("settings", "hours_apart", "latest", "expired"),
    [
        (Settings(keep_snapshots=30), 24, 10, []),
        (Settings(keep_snapshots=4), 24, 10, [1, 2, 3, 4, 5, 6]),
        (Settings(keep_snapshots=1), 24, 10, [1, 2, 3, 4, 5, 6, 7, 8]),  # 9 is 24 h old, 8 is 48
        (Settings(keep_snapshots=1), 1, 10, []),
        (Settings(keep_snapshots=1, keep_snapshot_hours=0), 1, 10, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Settings(keep_snapshots=4), 24, 2, [1, 3, 4, 5, 6]),
        (Settings(keep_snapshots=1, keep_snapshot_hours=0), 1, 2, [1, 3, 4, 5, 6, 7, 8, 9]),
        (Settings(keep_snapshot_bytes=300), 24, 10, [1, 2, 3, 4, 5, 6, 7]),
        (Settings(keep_snapshot_bytes=1), 24, 10, [1, 2, 3, 4, 5, 6, 7, 8]),
        (Settings(keep_snapshot_bytes=1, keep_snapshot_hours=0), 24, 10, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (Settings(keep_snapshots=1, keep_snapshot_hours=0), -1, 10, []),  # the clock went back: nothing is old
    ],
)
def test_old_snapshots_beyond_the_limits_expire(
    settings: Settings, hours_apart: float, latest: int, expired: list[int]
) -> None:
    names = runs(10, hours_apart=hours_apart)
    found = expired_snapshots(dict.fromkeys(names, 100), names[latest - 1], now=names[-1].created, settings=settings)
    assert [name.sequence for name in found] == expired


@given(
    ages_hours=st.lists(st.floats(-100, 1000), min_size=1, max_size=12),
    sizes=st.lists(st.integers(0, 100), min_size=12, max_size=12),
    latest=st.integers(0, 11),
    keep=st.integers(1, 12),
    keep_bytes=st.integers(1, 600),
    keep_hours=st.floats(0, 200),
)
def test_latest_newest_and_young_snapshots_never_expire(
    ages_hours: list[float], sizes: list[int], latest: int, keep: int, keep_bytes: int, keep_hours: float
) -> None:
    names = [SnapshotName(n, FIRST_RUN - timedelta(hours=age), str(n)) for n, age in enumerate(ages_hours)]
    named = names[latest % len(names)]
    by_size = dict(zip(names, sizes, strict=False))
    settings = Settings(keep_snapshots=keep, keep_snapshot_bytes=keep_bytes, keep_snapshot_hours=keep_hours)
    expired = expired_snapshots(by_size, named, now=FIRST_RUN, settings=settings)

    assert named not in expired and names[-1] not in expired
    assert all(FIRST_RUN - name.created >= timedelta(hours=keep_hours) for name in expired)
    kept_freely = [
        name
        for name in names
        if name not in expired
        and name not in (named, names[-1])
        and FIRST_RUN - name.created >= timedelta(hours=keep_hours)
    ]
    assert len(kept_freely) <= keep
    assert sum(by_size[name] for name in kept_freely) <= keep_bytes
    assert expired == sorted(expired, key=lambda name: name.sequence)


def test_publishing_removes_expired_snapshots(tmp_path: Path) -> None:
    published = tmp_path / "published"
    settings = Settings(keep_snapshots=3)
    for run_day in range(1, 8):
        publish_run(published, run_day, settings=settings)
    assert [name.sequence for name in snapshot_names(published)] == [5, 6, 7]
    assert run_of(read_latest(tmp_path)) == 7
    publish_run(published, 8, settings=Settings(keep_snapshots=1))
    assert [name.sequence for name in snapshot_names(published)] == [7, 8]  # 7 is a day old


def test_ignores_folders_that_are_not_snapshots(tmp_path: Path) -> None:
    others = [
        tmp_path / "published/snapshots" / name for name in ("notes", "000001-yesterday-me", "1-20260101T020000Z-a")
    ]
    for other in others:
        other.mkdir(parents=True)
    for run_day in range(1, 4):
        publish_run(tmp_path / "published", run_day, settings=Settings(keep_snapshots=1, keep_snapshot_hours=0))
    assert all(other.is_dir() for other in others)
    assert len(list((tmp_path / "published/snapshots").iterdir())) == 4
