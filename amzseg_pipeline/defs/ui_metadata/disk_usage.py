"""What the UI and the log say of the disk: how much each room of the data home takes, and how much is free.

Nothing is deleted here: see housekeeping.py, and storage/snapshots/ for snapshots.
"""

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.disk_usage import disk_use_bytes

_BYTES_PER_MB = 1e6


def disk_use_metadata(data_root: DataRoot) -> dict[str, float]:
    """Megabytes of each room and free ones, as numbers, so that the UI draws them over time."""
    return {f"disk: {room} MB": round(size / _BYTES_PER_MB, 1) for room, size in disk_use_bytes(data_root).items()}


def disk_use_words(data_root: DataRoot) -> str:
    """The same in a sentence."""
    return "disk use: " + ", ".join(
        f"{room} {size / _BYTES_PER_MB:,.1f} MB" for room, size in disk_use_bytes(data_root).items()
    )
