"""The engine of a run, opened with the run's settings and a temporary folder that belongs to its data root."""

import hashlib
from pathlib import Path

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import store_of


def opened_engine(data_root: DataRoot, settings: Settings) -> Engine:
    """An engine for this data root; the caller closes it.

    Raises:
        SettingsError: `temporary_folder` leaves the data root through a link.
    """
    return Engine(settings, temporary=temporary_folder(data_root, settings), store=store_of(data_root.root))


def temporary_folder(data_root: DataRoot, settings: Settings) -> Path:
    """A folder that no other data root uses: engines empty it when they open and delete it when they close."""
    if not settings.temporary_folder:
        return data_root.local / "warehouse" / ".temporary"
    given = Path(settings.temporary_folder)
    if not given.is_absolute() and not (data_root.local / given).resolve().is_relative_to(data_root.local.resolve()):
        raise SettingsError(
            f"{data_root.local / given}: temporary_folder leaves the data root through a link; give a folder below it."
        )
    root = hashlib.sha256(str(data_root.root.absolute()).encode()).hexdigest()[:16]
    return data_root.local / given / f"amzseg_pipeline-{root}"
