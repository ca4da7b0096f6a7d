"""Names, titles and texts of reviewers stay in landing/: no file that a run writes contains them, however it ends."""

import gzip
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amzseg_pipeline import has_snapshot, read_latest
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario
from amzseg_pipeline_tests.reliability.processes import PROJECT, environment, prepare_instance
from amzseg_pipeline_tests.reliability.test_full_disk import largest_file
from amzseg_pipeline_tests.security.marked_exports import EXPORTS, PRIVATE, deliver, in_dollars, sales
from amzseg_pipeline_tests.security.text_search import files_containing_text

LOG = "output.log"


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """A data root whose runs keep their record, temporary files and output below it."""
    data_root = DataRoot(tmp_path / "data_root")
    prepare_instance(data_root)
    (data_root.root / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(data_root.root / "tmp"))
    return data_root


def run(data_root: DataRoot, capfd: pytest.CaptureFixture[str], **options: object) -> dg.ExecuteInProcessResult:
    """A run in this process whose record and output are kept below the data root."""
    with dg.DagsterInstance.from_config(str(data_root.dagster)) as instance:
        result = scenario.run(data_root, instance=instance, **options)  # type: ignore[arg-type]
    printed = capfd.readouterr()
    (data_root.root / LOG).write_text(f"{printed.out}{printed.err}")
    return result


def assert_private(data_root: DataRoot) -> None:
    """Asserts that only landing/ contains the texts, and that the search covered the record of the run."""
    assert any(text.encode() in path.read_bytes() for text in PRIVATE for path in data_root.landing.iterdir())
    assert files_containing_text(PRIVATE, data_root.root, without=data_root.landing) == {}
    assert "segment_users" in "".join(files_containing_text(["segment_users"], data_root.dagster).values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_with_plots_stores_no_private_text(data_root: DataRoot) -> None:
    deliver(data_root.landing, sales())
    variables = {"AMZSEG_PLOTS": "on", "TMPDIR": str(data_root.root / "tmp")}
    with (data_root.root / LOG).open("wb") as output:
        subprocess.run(
            [sys.executable, "-m", "amzseg_pipeline", "run", "--verbose"],
            cwd=PROJECT,
            env=environment(data_root, **variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=True,
        )
    assert read_latest(data_root.root).sequence == 1
    assert list(data_root.artifacts.rglob("*.png"))
    assert list(data_root.warehouse.rglob("rejected.parquet"))
    assert "cleaned_reviews" in (data_root.root / LOG).read_text()
    assert_private(data_root)


def refused_exports() -> dict[str, bytes]:
    """A truncated export of each format, and two with an invalid quote or byte."""
    [content] = sales().values()
    text = PRIVATE[2].encode()
    complete = {"cut.csv": content, **{f"cut_{name}": export for name, export in in_dollars().items()}}
    cut = {name: export[: len(export) // 2] for name, export in complete.items()}
    return cut | {"quote.csv": content.replace(text, text + b'"', 5), "byte.csv": content.replace(text, text + b"\xff")}


def test_errors_of_refused_files_contain_no_private_text(
    data_root: DataRoot, capfd: pytest.CaptureFixture[str]
) -> None:
    deliver(data_root.landing, refused_exports())
    result = run(data_root, capfd)
    assert not result.success
    assert all(name in scenario.failure(result) for name in refused_exports())
    assert not any(text in scenario.failure(result) for text in PRIVATE)
    assert_private(data_root)


@pytest.mark.parametrize("export", [pytest.param("in rupees", marks=pytest.mark.slow), "in dollars"])
def test_neither_exports_nor_messages_of_skipped_files_leave_private_text(
    data_root: DataRoot, capfd: pytest.CaptureFixture[str], export: str
) -> None:
    deliver(data_root.landing, refused_exports() | EXPORTS[export]())
    result = run(data_root, capfd, settings={**scenario.QUICK, "on_refused_file": "skip"})
    assert result.success, scenario.failure(result)
    assert {file["path"] for file in read_latest(data_root.root).run()["refused"]} == set(refused_exports())
    assert_private(data_root)


def test_a_failed_check_stores_no_private_text(data_root: DataRoot, capfd: pytest.CaptureFixture[str]) -> None:
    deliver(data_root.landing, {name: content + content[-60:] * 40 for name, content in sales().items()})
    result = run(data_root, capfd)
    failed = [evaluation.check_name for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert failed == ["rejection_rate"]
    assert_private(data_root)


@pytest.mark.parametrize(("export", "largest_bytes"), [("in rupees", 4_000), ("in dollars", 300)])
def test_a_crashed_step_stores_no_private_text(
    data_root: DataRoot, capfd: pytest.CaptureFixture[str], export: str, largest_bytes: int
) -> None:
    deliver(data_root.landing, EXPORTS[export]())
    with dg.DagsterInstance.from_config(str(data_root.dagster)) as instance:  # its database is larger than the limit
        instance.get_runs_count()
        with dg.DagsterInstance.ephemeral() as ephemeral, largest_file(largest_bytes):
            result = scenario.run(data_root, instance=ephemeral)
    assert not result.success
    printed = capfd.readouterr()
    texts = [scenario.failure(result), printed.out, printed.err, *(str(event) for event in result.all_events)]
    assert not any(private in text for private in PRIVATE for text in texts)
    assert files_containing_text(PRIVATE, data_root.root, without=data_root.landing) == {}


KILLED_WHILE_WRITING = """
import os, runpy, signal, sys
from amzseg_pipeline.storage.fs import atomic_writes
sync = atomic_writes.sync
def kill_at_a_table(path):
    if path.parent.name == "raw_reviews" and path.suffix == ".tmp":
        os.kill(os.getpid(), signal.SIGKILL)
    sync(path)
atomic_writes.sync = kill_at_a_table
sys.argv = ["amzseg_pipeline", "run", "--verbose"]
runpy.run_module("amzseg_pipeline", run_name="__main__")
"""


def test_a_killed_run_leaves_no_private_text(data_root: DataRoot) -> None:
    deliver(data_root.landing, sales())
    with (data_root.root / LOG).open("wb") as output:
        killed = subprocess.run(
            [sys.executable, "-c", KILLED_WHILE_WRITING],
            cwd=PROJECT,
            env=environment(data_root, TMPDIR=str(data_root.root / "tmp")),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    assert killed.returncode == -signal.SIGKILL, (data_root.root / LOG).read_text()
    assert list(data_root.warehouse.glob("raw_reviews/.*.tmp"))
    assert not has_snapshot(data_root.root)
    assert_private(data_root)


def test_the_search_finds_text_in_every_file_type(tmp_path: Path) -> None:
    [text, *_] = PRIVATE
    (tmp_path / "log").write_text(f"log of {text}")
    (tmp_path / f"{text}.txt").write_text("")
    (tmp_path / "packed").write_bytes(gzip.compress(text.encode() * 9, mtime=0))
    nested = pa.table({"n": [[{"text": text}] * 90]})
    pq.write_table(nested, tmp_path / "table", compression="zstd")
    pq.write_table(pa.table({"n": [1]}).replace_schema_metadata({"note": text}), tmp_path / "footer")
    with sqlite3.connect(tmp_path / "record") as database:
        database.execute("CREATE TABLE events (event TEXT)")
        database.execute("INSERT INTO events VALUES (?)", ["x" * 5_000 + text + "x" * 5_000])
    database.close()
    (tmp_path / "other").write_text("nothing")
    assert set(files_containing_text([text], tmp_path)) == {path.name for path in tmp_path.iterdir()} - {"other"}
