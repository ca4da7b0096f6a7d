"""A run killed at any moment: readers see a complete snapshot, and the next run succeeds."""

from pathlib import Path

import pytest

from amzseg_pipeline_tests.reliability.killing import KilledRun, data_root_to_kill_in, killed_runs, moments


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(("kills", "seed"), [(2, 1), (200, 2)])
def test_killed_runs_harm_no_reader_and_no_later_run(tmp_path: Path, kills: int, seed: int) -> None:
    data_root, lines = data_root_to_kill_in(tmp_path)
    alive = 0
    for killed in killed_runs(data_root, moments(seed=seed, kills=kills, lines=lines)):
        check(killed)
        alive += killed.was_alive
    assert alive >= kills / 2


def check(killed: KilledRun) -> None:
    assert killed.errors == (), killed
    assert killed.reads > 0, killed
    assert killed.after in (killed.before, killed.before + 1), killed
    assert killed.seen.items() <= killed.users.items(), killed
    assert killed.next_run == "success", killed
    assert killed.leftovers == (), killed
