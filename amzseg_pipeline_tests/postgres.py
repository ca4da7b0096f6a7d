"""A temporary PostgreSQL server on loopback, from Debian's packages."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    """A port of loopback that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a temporary PostgreSQL server on loopback."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries:
        pytest.skip("PostgreSQL is not installed")
    bin_folder, port = binaries[-1].parent, free_port()
    # The server refuses to run as root, and its user must reach the folder: tmp_path is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if as_user:
            shutil.chown(folder, "postgres")
        data = Path(folder) / "data"
        create = [*as_user, bin_folder / "initdb", "--no-sync", "-D", data, "-U", "amzseg", "-A", "trust"]
        subprocess.run(create, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        options = f"-c fsync=off -c listen_addresses=127.0.0.1 -p {port} -k {folder}"
        control = [*as_user, bin_folder / "pg_ctl", "-D", data, "-w"]
        start = [*control, "-o", options, "-l", data / "log", "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            yield f"postgresql+psycopg2://amzseg@127.0.0.1:{port}/postgres"
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, stdout=subprocess.DEVNULL, cwd=folder)
