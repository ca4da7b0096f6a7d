"""Runs a command and measures CPU, memory and disk of its process and all child processes."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from amzseg_pipeline.storage.engines.machine import FolderPeak

_SAMPLE_SECONDS = 0.2
_MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """CPU seconds of all cores and wall seconds since the start."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True)
class Measurement:
    """The cost of a command: until it printed a line, if it did, and in total."""

    exit_code: int
    to_line: Cost | None
    total: Cost
    memory_mib: int
    temporary_mib: int


def measured_run(command: Sequence[str], *, environment: Mapping[str, str], temporary: Path, line: str) -> Measurement:
    """Runs the command to its end; memory is the peak of the resident memory of all its processes together."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, text=True)
    sampler = _Sampler(psutil.Process(process.pid))
    folder = FolderPeak(temporary)
    to_line = None
    assert process.stdout
    for printed in process.stdout:
        print(printed, end="", flush=True)
        if printed.strip() == line:
            sampler.sample()
            to_line = _cost(sampler.cpu_seconds, start)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    sampler.close()
    cpu_seconds = max(used.ru_utime + used.ru_stime, sampler.cpu_seconds)
    folder.close()
    return Measurement(
        exit_code=process.returncode,
        to_line=to_line,
        total=_cost(cpu_seconds, start),
        memory_mib=max(sampler.peak_bytes // _MIB, used.ru_maxrss // 1024),
        temporary_mib=folder.mib,
    )


def _cost(cpu_seconds: float, start: float) -> Cost:
    return Cost(round(cpu_seconds, 2), round(time.perf_counter() - start, 2))


class _Sampler:
    """Samples a process and its children in a thread until closed."""

    def __init__(self, process: psutil.Process) -> None:
        self.peak_bytes = 0
        self._process = process
        self._seconds: dict[int, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, daemon=True)
        self._thread.start()

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all sampled processes, as of their last sample."""
        return sum(self._seconds.values())

    def sample(self) -> None:
        """Takes a sample now."""
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
        """Stops the thread."""
        self._closed.set()
        self._thread.join()

    def _sample_until_closed(self) -> None:
        while not self._closed.wait(_SAMPLE_SECONDS):
            self.sample()
