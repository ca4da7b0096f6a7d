"""The disk usage of a data root's directories, and the artifact folders that have expired."""

import shutil
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import files_below
from amzseg_pipeline.storage.fs.object_store import store_of

_SECONDS_PER_HOUR = 3600.0


def disk_use_bytes(data_root: DataRoot) -> dict[str, int]:
    """Bytes of each directory, and `free`, the free bytes on the local disk."""
    directories = {
        "landing": data_root.landing,
        "warehouse": data_root.warehouse,
        "artifacts": data_root.artifacts,
        "published": data_root.published,
        "dagster": data_root.dagster,
    }
    use = {
        name: sum(state.size_bytes for state in files_below(directory).values())
        for name, directory in directories.items()
    }
    return {**use, "free": shutil.disk_usage(data_root.local).free}


def expired_artifacts(
    artifacts: Path, *, kept_runs: Collection[str], now: datetime, keep_hours: float
) -> tuple[Path, ...]:
    """The artifact folders of runs that are not kept and were not written to for `keep_hours`, sorted.

    `kept_runs` are the first eight characters of run ids, as in snapshot names.
    """
    oldest = now.timestamp() - keep_hours * _SECONDS_PER_HOUR
    folders = [path for path in artifacts.glob("*") if path.is_dir() and not path.name.startswith(".")]
    return tuple(sorted(path for path in folders if path.name[:8] not in kept_runs and _modified(path) < oldest))


def _modified(folder: Path) -> float:
    """When a folder was last written, in seconds since 1970 UTC; in a store, the latest time of its objects."""
    if store_of(folder) is None:
        return folder.stat().st_mtime
    return max((state.modified for state in files_below(folder).values()), default=0.0)
