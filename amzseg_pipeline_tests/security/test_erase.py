"""Erasure of a user: from the exports first, then from everything the pipeline wrote."""

import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from amzseg_pipeline import read_latest
from amzseg_pipeline.cli.main import main
from amzseg_pipeline.contracts.errors import ErasureError
from amzseg_pipeline.steps.pseudonyms import FORMER_KEYS_VARIABLE, USER_KEY_VARIABLE, UserKey
from amzseg_pipeline.storage.data_root import DataRoot, settings_of, user_keys_from_environment
from amzseg_pipeline.storage.engines.open_engine import temporary_folder
from amzseg_pipeline.storage.erasure.erase import erase
from amzseg_pipeline_tests.reliability.processes import PROJECT
from amzseg_pipeline_tests.security.conftest import KEY
from amzseg_pipeline_tests.security.marked_exports import sales, user
from amzseg_pipeline_tests.security.text_search import files_containing_text

USER = user(3)
A_KEY = UserKey(KEY.encode())


def without_user(export: bytes) -> bytes:
    """The export without the records of the user."""
    marked = [line for line in export.split(b"\nB") if USER.encode() not in line]
    return b"\nB".join(marked)


def remove_from_landing(data_root: DataRoot) -> None:
    for name, content in sales().items():
        (data_root.landing / name).write_bytes(without_user(content))


def test_erases_a_user_from_snapshots_warehouse_and_plots(keyed_data_root: DataRoot) -> None:
    remove_from_landing(keyed_data_root)
    pseudonym = A_KEY.pseudonym(USER)
    (keyed_data_root.artifacts / "run-1").mkdir(parents=True)
    (keyed_data_root.artifacts / "run-1/report.html").write_text(f"<p>{pseudonym}</p>")
    (keyed_data_root.artifacts / "run-2").mkdir()
    (keyed_data_root.artifacts / "run-2/report.html").write_text("<p>other</p>")
    rows = read_latest(keyed_data_root.root).rows("segment_assignments")

    result = erase(keyed_data_root, f" {USER}\n", keys=[A_KEY])

    assert [(each.sequence, each.revision, each.users) for each in result.snapshots] == [(1, 1, 1)]
    assert result.deleted == ("warehouse", "artifacts/run-1")
    assert files_containing_text([USER, pseudonym], keyed_data_root.root) == {}
    after = read_latest(keyed_data_root.root)
    assert len(after.segment_assignments()) == after.rows("segment_assignments") == rows - 1
    again = erase(keyed_data_root, USER, keys=[A_KEY])
    assert (again.snapshots, again.deleted) == ((), ())


def test_refuses_while_an_export_contains_the_user(keyed_data_root: DataRoot) -> None:
    before = read_latest(keyed_data_root.root)
    with pytest.raises(ErasureError, match=r"still in .*amazon\.csv\. Remove the user's records .* Nothing was"):
        erase(keyed_data_root, USER, keys=[A_KEY])
    assert read_latest(keyed_data_root.root) == before
    assert keyed_data_root.warehouse.exists()


def test_refuses_without_the_key_of_a_snapshot(keyed_data_root: DataRoot) -> None:
    remove_from_landing(keyed_data_root)
    with pytest.raises(ErasureError, match=f"snapshots 1 of key {A_KEY.id}, which is not given"):
        erase(keyed_data_root, USER)
    assert keyed_data_root.warehouse.exists()


def test_refuses_while_a_run_is_active(keyed_data_root: DataRoot) -> None:
    remove_from_landing(keyed_data_root)
    with FileLock(keyed_data_root.lock_file), pytest.raises(ErasureError, match="a run is active"):
        erase(keyed_data_root, USER, keys=[A_KEY])


@pytest.mark.parametrize("user_id", ["", " \n", "x" * 5_000])
def test_rejects_invalid_ids(keyed_data_root: DataRoot, user_id: str) -> None:
    with pytest.raises(ErasureError, match="give the id of one user"):
        erase(keyed_data_root, user_id)


def test_names_other_files_that_contain_the_id(keyed_data_root: DataRoot) -> None:
    remove_from_landing(keyed_data_root)
    (keyed_data_root.root / "notes.txt").write_text(f"called about {USER}")
    with pytest.raises(ErasureError, match=r"still in .*notes\.txt; delete these files"):
        erase(keyed_data_root, USER, keys=[A_KEY])


def test_the_command_takes_keys_from_the_environment(
    keyed_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(keyed_data_root.root))
    monkeypatch.delenv(USER_KEY_VARIABLE, raising=False)
    monkeypatch.setenv(FORMER_KEYS_VARIABLE, f"{'z' * 40} {KEY}")
    assert [key.id for key in user_keys_from_environment()] == [UserKey(b"z" * 40).id, A_KEY.id]
    assert main(["erase", USER]) == 1
    assert "still in" in capsys.readouterr().err
    remove_from_landing(keyed_data_root)
    assert main(["erase", USER]) == 0
    printed = capsys.readouterr().out
    assert "snapshot 1: replaced by revision 1 without 1 user(s)" in printed
    assert USER not in printed
    assert files_containing_text([USER], keyed_data_root.root) == {}


def test_an_unknown_user_changes_nothing_and_the_command_says_so(
    keyed_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(keyed_data_root.root))
    monkeypatch.setenv(USER_KEY_VARIABLE, KEY)
    before = read_latest(keyed_data_root.root)
    assert main(["erase", "nobody"]) == 0
    printed = capsys.readouterr().out
    assert "contains this id, so nothing was changed" in printed
    assert "no longer" not in printed
    assert read_latest(keyed_data_root.root) == before
    assert keyed_data_root.warehouse.exists()


def test_erases_what_killed_processes_left(keyed_data_root: DataRoot) -> None:
    remove_from_landing(keyed_data_root)
    (keyed_data_root.root / "settings.toml").write_text('temporary_folder = "spill"')
    erase(keyed_data_root, USER, keys=[A_KEY])
    table = read_latest(keyed_data_root.root).table_path("segment_assignments").read_bytes()
    spilled = temporary_folder(keyed_data_root, settings_of(keyed_data_root)) / "block"
    staged = keyed_data_root.published / ".staging/000009/segment_assignments.parquet"
    for path in (spilled, staged):
        path.parent.mkdir(parents=True)
        path.write_bytes(table[:-9])
    erase(keyed_data_root, USER, keys=[A_KEY])
    assert not spilled.exists()
    assert not staged.exists()


def test_exports_that_no_run_can_read_are_named(
    keyed_data_root: DataRoot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_from_landing(keyed_data_root)
    cut = keyed_data_root.landing / "cut.parquet"
    cut.write_bytes(b"PAR1 not Parquet")
    monkeypatch.setenv("AMZSEG_DATA", str(keyed_data_root.root))
    monkeypatch.setenv(USER_KEY_VARIABLE, KEY)
    assert main(["erase", USER]) == 0
    assert f"{cut}: no run can read this file; it was searched as plain text only" in capsys.readouterr().out


@pytest.mark.parametrize(
    "user_id", ["AE2X", "U7 ", "o'hara", 'a "b"', "a$b", "$(shell id)", "`id`; #", "--help", "用户 1"]
)
def test_make_passes_on_any_id(tmp_path: Path, user_id: str) -> None:
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nshift 4\nprintf "%s" "$1"\n')
    python.chmod(0o755)
    (tmp_path / ".run").touch()
    command = ["make", "--no-print-directory", "erase", f"VENV={tmp_path}", f"ID={user_id}"]
    assert subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout == user_id


def test_an_id_as_a_data_frame_writes_it_is_no_false_assurance(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    with pytest.raises(ErasureError, match=r"no file has the id 1000\.0\. .* erase 1000 instead"):
        erase(DataRoot(tmp_path), "1000.0")


def test_rejects_a_missing_data_root(tmp_path: Path) -> None:
    with pytest.raises(ErasureError, match="there is no such folder"):
        erase(DataRoot(tmp_path / "missing"), USER)
