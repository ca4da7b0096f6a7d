"""Progress logs lines for long work only, with the rate of the rows that were not reused."""

from amzseg_pipeline.storage.warehouse.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def lines_of(*steps: tuple[float, int, bool], total: int) -> list[str]:
    """The lines for steps of (seconds, rows, reused)."""
    clock, lines = Clock(), []
    progress = Progress("cleaning", total=total, log=lines.append, clock=clock)
    for seconds, rows, reused in steps:
        clock.seconds += seconds
        progress.add(rows, reused=reused)
    return lines


def test_short_work_logs_nothing():
    assert lines_of((1, 5, False), (8, 5, False), total=10) == []


def test_long_work_logs_rows_rate_and_remaining_time():
    assert lines_of((20, 1_000, False), (5, 1_000, False), (5, 1_000, False), total=400_000) == [
        "cleaning: 1,000 of 400,000 rows (0%), 50 per second, 2 h 13 min left",
        "cleaning: 3,000 of 400,000 rows (1%), 100 per second, 1 h 6 min left",
    ]


def test_reused_rows_do_not_count_in_the_rate():
    assert lines_of((0, 900, True), (10, 50, False), total=1_000) == [
        "cleaning: 950 of 1,000 rows (95%), 5 per second, 10 s left"
    ]
    assert lines_of((10, 1_000, True), total=1_000) == ["cleaning: 1,000 of 1,000 rows (100%), 0 per second"]


def test_formats_minutes():
    assert lines_of((10, 10, False), total=100)[0].endswith("1 per second, 1 min 30 s left")
