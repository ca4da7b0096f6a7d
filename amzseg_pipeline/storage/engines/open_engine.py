"""The engine that the settings name, with a temporary folder of its own.

Who may hold one, and for how long, is decided elsewhere.
"""

import hashlib
from pathlib import Path

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import store_of


def opened_engine(data_root: DataRoot, settings: Settings) -> Engine:
    """An engine, to be closed after use. SettingsError where it cannot be had."""
    temporary = _temporary_folder(data_root, settings)
    store = store_of(data_root.root)
    if settings.engine == "spark" and store is not None:
        raise SettingsError(
            f'settings: engine = "spark" works on a folder, and the data root is {data_root.root}; take '
            'engine = "duckdb", or a folder that all of Spark\'s machines see.'
        )
    if settings.engine == "spark":
        from amzseg_pipeline.storage.engines.spark import SparkEngine

        return SparkEngine(settings, temporary=temporary)
    from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine

    return DuckDBEngine(settings, temporary=temporary, store=store)


def _temporary_folder(data_root: DataRoot, settings: Settings) -> Path:
    """A folder that belongs to this home alone: engines empty it when they open and delete it when they close."""
    if not settings.temporary_folder:
        return data_root.local / "warehouse" / ".temporary"
    given = Path(settings.temporary_folder)
    if not given.is_absolute() and not (data_root.local / given).resolve().is_relative_to(data_root.local.resolve()):
        raise SettingsError(
            f"{data_root.local / given}: temporary_folder leads outside the data root by a link; "
            "give a folder below it."
        )
    root = hashlib.sha256(str(data_root.root.absolute()).encode()).hexdigest()[:16]
    return data_root.local / given / f"amzseg_pipeline-{root}"
