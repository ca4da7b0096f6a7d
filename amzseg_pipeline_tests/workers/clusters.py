"""Dask and Ray clusters on this machine, whose workers see a store and directories of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

_DASK_CONFIG = Path(__file__).parents[2] / "deploy" / "dask.yaml"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: the value of the setting `workers`, its processes, and the folders that its workers have."""

    workers: str
    processes: list[psutil.Process]
    worker_names: tuple[str, ...]
    folders: tuple[Path, ...]

    def running_workers(self) -> list[psutil.Process]:
        """The processes that run tasks, or wait for some."""
        found = []
        for parent in self.processes:
            for child in parent.children(recursive=True):
                try:
                    command = " ".join(child.cmdline())
                except psutil.Error:
                    continue
                if any(name in command for name in self.worker_names):
                    found.append(child)
        return found


def free_port() -> str:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def dask_cluster(folder: Path) -> Iterator[Cluster]:
    """A scheduler and two workers, each with a nanny that starts it again."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard", "--host", "127.0.0.1"]
    command = [*command, "--port", port]
    started = [subprocess.Popen(command, env=_environment(folder), stderr=subprocess.DEVNULL, cwd=folder)]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard", "--nthreads", "1"]
    try:
        for name in ("first", "second"):
            own = folder / name
            own.mkdir()
            options = ["--local-directory", str(own)]
            started.append(
                subprocess.Popen([*command, *options], env=_environment(own), cwd=own, stderr=subprocess.DEVNULL)
            )
        nannies = [psutil.Process(each.pid) for each in started[1:]]
        yield Cluster(f"dask:{address}", nannies, ("spawn_main",), (folder / "first", folder / "second"))
    finally:
        _end(started)


_PATIENCE = {"RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": "120", "RAY_USAGE_STATS_ENABLED": "0"}

_RAY_NODES = """
import json, sys
from ray.cluster_utils import Cluster
port, *folders = sys.argv[1:]
node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={**node, "ray_client_server_port": int(port)})
cluster.add_node(**node)
cluster.wait_for_nodes()
print(json.dumps("ready"), flush=True)
sys.stdin.read()
cluster.shutdown()
"""


@contextmanager
def ray_cluster(folder: Path) -> Iterator[Cluster]:
    """Two nodes with a worker each, from Ray's own utilities."""
    port, own = free_port(), folder / "ray"
    own.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", _RAY_NODES, port],
        env={**_environment(own), "RAY_TMPDIR": "/tmp", **_PATIENCE},
        cwd=own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline()) == "ready"
        yield Cluster(f"ray:ray://127.0.0.1:{port}", [psutil.Process(process.pid)], ("ray::_result",), (own,))
    finally:
        if "ray" in sys.modules:
            sys.modules["ray"].shutdown()
        _end([process])
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _environment(own: Path) -> dict[str, str]:
    return {**os.environ, "AMZSEG_LOCAL": str(own / "local"), "TMPDIR": str(own), "DASK_CONFIG": str(_DASK_CONFIG)}


def _end(started: list["subprocess.Popen[bytes]"] | list["subprocess.Popen[str]"]) -> None:
    """Ends these processes and all that they started."""
    for each in reversed(started):
        try:
            children = psutil.Process(each.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        for process in (psutil.Process(each.pid), *children) if each.poll() is None else children:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        each.wait()
