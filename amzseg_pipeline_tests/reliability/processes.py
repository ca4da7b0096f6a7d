"""Processes of the pipeline: runs from the shell, and the daemon with its code server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
import psutil

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests import scenario

PROJECT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
Found = TypeVar("Found")


def environment(data_root: DataRoot, **others: str) -> Mapping[str, str]:
    """The environment of a process on a data root, with settings for a quick run and no other AMZSEG_ variables."""
    settings = {f"AMZSEG_{name.upper()}": str(setting) for name, setting in scenario.QUICK.items()}
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("AMZSEG_", "DAGSTER_"))}
    paths = {"AMZSEG_DATA": str(data_root.root), "DAGSTER_HOME": str(data_root.dagster), "PYTHONUNBUFFERED": "1"}
    return {**inherited, **settings, **paths, **others}


def prepare_instance(data_root: DataRoot, **replaced: str) -> None:
    """Copies the project's dagster.yaml to the data root, as make does; `replaced` replaces values."""
    lines = (PROJECT / "dagster.yaml").read_text().splitlines()
    for key, value in replaced.items():
        assert any(line.strip().startswith(f"{key}:") for line in lines), f"dagster.yaml has no {key}"
        lines = [f"{line.split(':')[0]}: {value}" if line.strip().startswith(f"{key}:") else line for line in lines]
    data_root.dagster.mkdir(parents=True, exist_ok=True)
    (data_root.dagster / "dagster.yaml").write_text("\n".join(lines) + "\n")


@contextmanager
def history(data_root: DataRoot) -> Iterator[dg.DagsterInstance]:
    """The runs and ticks of the data root, read while its processes run."""
    with dg.DagsterInstance.from_config(str(data_root.dagster)) as instance:
        yield instance


@contextmanager
def manual_run(data_root: DataRoot, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m amzseg_pipeline run`, killed at the end of the block if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "amzseg_pipeline", "run", *arguments],
        cwd=PROJECT,
        env=environment(data_root),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def daemon(data_root: DataRoot, *, project: Path = PROJECT, **variables: str) -> Iterator[int]:
    """`dagster-daemon run` with a tick every minute and a separate code server; yields their session id.

    The code is that of the folder `project`. At the end of the block the daemon is asked to end, as a service manager
    does; after an error its log is printed.
    """
    log = data_root.local / "daemon.log"
    with (
        log.open("ab") as output,
        subprocess.Popen(
            [BIN / "dagster-daemon", "run", "-w", project / "workspace.yaml"],
            cwd=project,
            env=environment(data_root, **{"AMZSEG_CRON": "* * * * *", **variables}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process.pid
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        except BaseException:
            print(log.read_text(errors="replace")[-20_000:])
            raise
        finally:
            lose_power(process.pid)


def lose_power(session: int) -> None:
    """Kills every process of the session."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


def lock_holder(data_root: DataRoot) -> psutil.Process | None:
    """The process of the active run."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(file.path == str(data_root.lock_file) for file in process.open_files()):
                return process
    return None


def until(found: Callable[[], Found], *, seconds: float) -> Found:
    """The first truthy result of `found`; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (result := found()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.1)
    return result
