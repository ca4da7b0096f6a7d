"""Servers started by make listen only on loopback: checked in the commands and at the sockets."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline_tests.reliability.processes import BIN, PROJECT, environment, lose_power, prepare_instance, until
from amzseg_pipeline_tests.test_deploy import free_port

LOOPBACK = ("127.0.0.1", "::1")


def command(target: str, **variables: str) -> list[str]:
    """The command of a Makefile target, with this environment's executables."""
    output = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "--always-make", target],
        cwd=PROJECT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    last = output.strip().splitlines()[-1]
    assert last.startswith(".venv/bin/"), last
    arguments = re.sub(r"\$\{\w+:-(\d+)\}", lambda default: variables.get("PORT", default[1]), last).split()
    return [str(BIN / arguments[0].removeprefix(".venv/bin/")), *arguments[1:]]


def test_commands_use_the_loopback_address() -> None:
    web = command("ui")
    assert web[web.index("--host") + 1] == "127.0.0.1"
    assert "--server.address" not in command("app")
    server = tomllib.loads((PROJECT / ".streamlit/config.toml").read_text())["server"]
    assert server["address"] == "127.0.0.1"
    assert (server["enableCORS"], server["enableXsrfProtection"]) == (True, True)
    assert set(server["allowedHosts"]) == {"127.0.0.1", "localhost"}


@contextmanager
def started(arguments: list[str], data_root: DataRoot) -> Iterator[psutil.Process]:
    with (
        (data_root.root / "server.log").open("wb") as log,
        subprocess.Popen(
            arguments,
            cwd=PROJECT,
            env=environment(data_root, PYTHONPATH=str(PROJECT)),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield psutil.Process(process.pid)
        finally:
            lose_power(process.pid)


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    """Address and port of every listening socket of the process and its children."""
    found = set()
    with suppress(psutil.NoSuchProcess):
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                sockets = one.net_connections(kind="inet")
                found |= {(one.laddr.ip, one.laddr.port) for one in sockets if one.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["ui", "app"])
def test_servers_listen_only_on_loopback(tmp_path: Path, target: str) -> None:
    data_root = DataRoot(tmp_path)
    prepare_instance(data_root)
    port = free_port()
    with started(command(target, PORT=str(port)), data_root) as process:
        until(lambda: port in {used for _, used in listening(process)}, seconds=240)
        assert {address for address, _ in listening(process)} <= set(LOOPBACK)


@pytest.mark.slow
def test_detects_a_socket_open_to_other_machines() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import socket,time; s=socket.create_server(('0.0.0.0', 0)); time.sleep(60)"]
    ) as process:
        until(lambda: listening(psutil.Process(process.pid)), seconds=60)
        assert {address for address, _ in listening(psutil.Process(process.pid))} == {"0.0.0.0"}
        process.kill()
