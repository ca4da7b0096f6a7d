"""Runs a command in a separate process and measures its cost, child processes included."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from amzseg_pipeline.storage.engines.machine import FolderPeak

_LOOK_SECONDS = 0.2
_MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """What it took up to some point: seconds of all cores, seconds of the clock."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True)
class Watched:
    """What a command took: to the line that was waited for, if it came, and in all."""

    exit_code: int
    to_line: Cost | None
    whole: Cost
    memory_mib: int
    temporary_mib: int


def watched(command: Sequence[str], *, environment: Mapping[str, str], temporary: Path, line: str) -> Watched:
    """Runs the command to its end. Memory is the resident one of all its processes together, at its most."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True)
    looks = _Looks(psutil.Process(process.pid))
    folder = FolderPeak(temporary)
    to_line = None
    assert process.stdout
    for said in process.stdout:
        print(said, end="", flush=True)
        if said.strip() == line:
            looks.look()
            to_line = _cost(looks.cpu_seconds, start)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    looks.close()
    # A process that its parent did not wait for, as Spark's, is in the looks alone.
    cpu_seconds = max(used.ru_utime + used.ru_stime, looks.cpu_seconds)
    folder.close()
    return Watched(
        exit_code=process.returncode,
        to_line=to_line,
        whole=_cost(cpu_seconds, start),
        memory_mib=max(looks.peak_bytes // _MIB, used.ru_maxrss // 1024),
        temporary_mib=folder.mib,
    )


def _cost(cpu_seconds: float, start: float) -> Cost:
    return Cost(round(cpu_seconds, 2), round(time.perf_counter() - start, 2))


class _Looks:
    """Looks at a process and all it has started, again and again until closed."""

    def __init__(self, process: psutil.Process) -> None:
        self.peak_bytes = 0
        self._process = process
        self._seconds: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def cpu_seconds(self) -> float:
        """Of all processes that were seen, as last seen."""
        return sum(self._seconds.values())

    def look(self) -> None:
        """Looks now."""
        resident = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                times = process.cpu_times()
                self._seconds[process.pid] = times.user + times.system
                resident += process.memory_info().rss
        except psutil.Error:  # ended since it was listed
            return
        self.peak_bytes = max(self.peak_bytes, resident)

    def close(self) -> None:
        """Ends the looks."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.look()
