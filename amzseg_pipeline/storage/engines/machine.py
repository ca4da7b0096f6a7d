"""What the machine offers an engine, and how much of it processes have used.

Linux tells both in files; elsewhere the answers are coarser. No engine here.
"""

import os
import threading
from collections.abc import Iterable
from pathlib import Path

_MIB = 2**20
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_LOOK_SECONDS = 0.5


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_mib(limits: Iterable[Path] = _CGROUP_LIMITS) -> int:
    """The machine's memory, or the limit of the container this process is in where that is less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(physical, *(_limit_bytes(path, otherwise=physical) for path in limits)) // _MIB


def peak_memory_mib(processes: Iterable[int]) -> int:
    """The most memory that these processes have had, summed; 0 where the system does not tell."""
    return sum(_peak_kib(process) for process in processes) // 1024


class FolderPeak:
    """Watches how large a folder grows, until it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peak_bytes = 0
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="folder peak", daemon=True)
        self._thread.start()

    @property
    def mib(self) -> int:
        """The largest size that was seen."""
        self._look()
        return self._peak_bytes // _MIB

    def close(self) -> None:
        """Ends the watch."""
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        self._peak_bytes = max(self._peak_bytes, _folder_bytes(self._folder))


def _folder_bytes(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).stat().st_size
            except OSError:  # gone since it was listed
                continue
    return total


def _limit_bytes(path: Path, *, otherwise: int) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return otherwise


def _peak_kib(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return 0
