"""The app as a server process on a free port."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from amzseg_pipeline_tests.app.pages import MAIN

SERVER = MAIN.with_name("server.py")
START_SECONDS = 120


@contextmanager
def served_app(root: Path, *, log: Path, environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """The address of an app that shows the data root `root`; its output goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(SERVER), "--server.port", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=MAIN.parent.parent.parent,
            env={**os.environ, **(environment or {}), "AMZSEG_DATA": str(root)},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process, log)
            yield address
        finally:
            process.terminate()


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the app exited: {log.read_text(errors='replace')[-2000:]}")
        try:
            urlopen(f"{address}/_stcore/health", timeout=5).close()
        except (URLError, TimeoutError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the app did not start in {START_SECONDS} s")
