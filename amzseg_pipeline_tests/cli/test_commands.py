"""The command line: help texts, refused arguments, and commands that need no published snapshot."""

from pathlib import Path

import pytest

from amzseg_pipeline.cli.main import main
from amzseg_pipeline_tests.storage.landing.synthetic_exports import landing_zone, sales_csv


@pytest.fixture(autouse=True)
def _empty_data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMZSEG_DATA", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--help"], "delete old run history"),
        (["run", "--help"], "Does nothing if exports, code and settings are those of the latest snapshot."),
        (["rollback", "--help"], "number of the snapshot"),
        (["erase", "--help"], "Remove the user from the exports in landing/ first."),
        (["prune", "--help"], "keep_run_days"),
    ],
)
def test_help_explains_every_command(capsys: pytest.CaptureFixture[str], arguments: list[str], text: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert text in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--set", "k"], "give a setting as NAME=VALUE"),
        (["run", "--set", "colour=red"], "there is no setting 'colour'"),
        (["rollback", "1"], "nothing has been published yet"),
    ],
)
def test_refuses_arguments_with_the_fix(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


def test_prune_deletes_nothing_in_a_new_data_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "landing").mkdir()
    assert main(["prune"]) == 0
    assert "deleted runs: 0, folders of plots: 0" in capsys.readouterr().out


def test_erase_says_that_nobody_has_the_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "landing").mkdir()
    assert main(["erase", "nobody"]) == 0
    assert "No kept snapshot has this id; check its spelling" in capsys.readouterr().out


def test_inspects_a_folder_as_a_run_lists_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exports = {
        "a/sales.csv": sales_csv(),
        "a/sales.csv.rows": b"1\n",
        "b/sales.csv": sales_csv()[:-20],
        "b/.hidden.csv": b"",
        "columns.toml": b'currency = "INR"',
        "data-00001-of-00002.txt": b"what is this?\n",
    }
    landing = landing_zone(tmp_path, exports).landing
    assert main(["inspect", str(landing)]) == 1
    printed = capsys.readouterr()
    assert "a/sales.csv: Amazon Sales Dataset CSV" in printed.out
    assert "b/.hidden.csv: a run skips this file: names starting with . are ignored" in printed.out
    assert ".rows" not in printed.out + printed.err
    assert [line.split(":")[1] for line in printed.err.splitlines() if line.startswith("refused: ")] == [
        " b/sales.csv",
        " data-00001-of-00002.txt",
    ]
