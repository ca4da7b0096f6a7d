"""A user who asks to be forgotten: out of the exports first, then out of everything we wrote."""

from pathlib import Path

import pytest
from filelock import FileLock

from amzseg_pipeline import read_latest
from amzseg_pipeline.cli.main import main
from amzseg_pipeline.contracts.errors import ForgettingError
from amzseg_pipeline.steps.pseudonyms import FORMER_KEYS_VARIABLE, USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import Home, user_keys_from_environment
from amzseg_pipeline.storage.erasure.erase import forget
from amzseg_pipeline_tests.security.conftest import KEY
from amzseg_pipeline_tests.security.marked_exports import sales, user
from amzseg_pipeline_tests.security.places import places_of

USER = user(3)
A_KEY = UserKey(KEY.encode())


def without_user(export: bytes) -> bytes:
    """The export as its sender gives it out once the user's listings are gone from it."""
    marked = [line for line in export.split(b"\nB") if USER.encode() not in line]
    return b"\nB".join(marked)


def take_out_of_landing(home: Home) -> None:
    for name, content in sales().items():
        (home.landing / name).write_bytes(without_user(content))


def test_a_user_is_forgotten_in_snapshots_warehouse_and_plots(keyed_home: Home) -> None:
    take_out_of_landing(keyed_home)
    pseudonym = A_KEY.pseudonym(USER)
    (keyed_home.artifacts / "run-1").mkdir(parents=True)
    (keyed_home.artifacts / "run-1/report.html").write_text(f"<p>{pseudonym}</p>")
    (keyed_home.artifacts / "run-2").mkdir()
    (keyed_home.artifacts / "run-2/report.html").write_text("<p>nobody</p>")
    rows = read_latest(keyed_home.root).rows("segment_assignments")

    forgotten = forget(keyed_home, f" {USER}\n", keys=[A_KEY])

    assert [(snapshot.was, snapshot.sequence, snapshot.users) for snapshot in forgotten.snapshots] == [(1, 2, 1)]
    assert forgotten.deleted == ("warehouse", "artifacts/run-1")
    assert places_of([USER, pseudonym], keyed_home.root) == {}
    after = read_latest(keyed_home.root)
    assert len(after.segment_assignments()) == after.rows("segment_assignments") == rows - 1
    again = forget(keyed_home, USER, keys=[A_KEY])
    assert (again.snapshots, again.deleted) == ((), ())


def test_a_user_who_is_still_in_an_export_is_not_forgotten_by_halves(keyed_home: Home) -> None:
    before = read_latest(keyed_home.root)
    with pytest.raises(ForgettingError, match=r"still in .*amazon\.csv\. Take the user's records out .* Nothing was"):
        forget(keyed_home, USER, keys=[A_KEY])
    assert read_latest(keyed_home.root) == before
    assert keyed_home.warehouse.exists()


def test_a_snapshot_of_a_key_that_is_not_given_is_told_before_anything_is_touched(keyed_home: Home) -> None:
    take_out_of_landing(keyed_home)
    with pytest.raises(ForgettingError, match=f"snapshots 1 of key {A_KEY.id}, which is not given"):
        forget(keyed_home, USER)
    assert keyed_home.warehouse.exists()


def test_nobody_is_forgotten_while_a_run_is_under_way(keyed_home: Home) -> None:
    take_out_of_landing(keyed_home)
    with FileLock(keyed_home.lock_file), pytest.raises(ForgettingError, match="a run is under way"):
        forget(keyed_home, USER, keys=[A_KEY])


@pytest.mark.parametrize("user_id", ["", " \n", "x" * 5_000])
def test_what_is_no_id_is_refused(keyed_home: Home, user_id: str) -> None:
    with pytest.raises(ForgettingError, match="give the id of one user"):
        forget(keyed_home, user_id)


def test_what_is_left_elsewhere_is_named(keyed_home: Home) -> None:
    take_out_of_landing(keyed_home)
    (keyed_home.root / "notes.txt").write_text(f"called about {USER}")
    with pytest.raises(ForgettingError, match=r"still stands in .*notes\.txt; delete them by hand"):
        forget(keyed_home, USER, keys=[A_KEY])


def test_the_command_takes_keys_from_the_environment(
    keyed_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(keyed_home.root))
    monkeypatch.delenv(USER_KEY_VARIABLE, raising=False)
    monkeypatch.setenv(FORMER_KEYS_VARIABLE, f"{'z' * 40} {KEY}")
    assert [key.id for key in user_keys_from_environment()] == [UserKey(b"z" * 40).id, A_KEY.id]
    assert main(["forget", USER]) == 1
    assert "still in" in capsys.readouterr().err
    take_out_of_landing(keyed_home)
    assert main(["forget", USER]) == 0
    told = capsys.readouterr().out
    assert "snapshot 1 was written again without 1 user(s) and is now snapshot 2" in told
    assert USER not in told
    assert places_of([USER], keyed_home.root) == {}


def test_a_data_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ForgettingError, match="there is no such folder"):
        forget(Home(tmp_path / "nowhere"), USER)
