"""The cores and memory this process may use, and peaks of memory and disk it has used.

Linux reports them in /proc and /sys; on other systems the figures are coarser.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

_MIB = 2**20
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_SAMPLE_SECONDS = 0.5


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_mib(limits: Iterable[Path] = _CGROUP_LIMITS) -> int:
    """The machine's memory, or the limit of this process's container if that is lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(physical, *(_limit_bytes(path, default=physical) for path in limits)) // _MIB


def memory_limit_mib(stated: int) -> int:
    """The memory limit of a database in this process: what the setting states, or half of the memory where it is 0."""
    return stated or memory_mib() // 2


def peak_memory_mib(processes: Iterable[int]) -> int:
    """The sum of the peak resident memory of these processes; 0 on systems that do not report it."""
    return sum(_peak_kib(process) for process in processes) // 1024


class FolderPeak:
    """Samples the size of a folder in a thread until it is closed, and keeps the largest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peak_bytes = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_closed, name="folder peak", daemon=True)
        self._thread.start()

    @property
    def mib(self) -> int:
        """The largest size so far."""
        self._sample()
        return self._peak_bytes // _MIB

    def close(self) -> None:
        """Stops the thread."""
        self._closed.set()
        self._thread.join()

    def _sample_until_closed(self) -> None:
        while not self._closed.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self._peak_bytes = max(self._peak_bytes, _folder_bytes(self._folder))


def _folder_bytes(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).stat().st_size
            except OSError:  # deleted since it was listed
                continue
    return total


def _limit_bytes(path: Path, *, default: int) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return default


def _peak_kib(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0
