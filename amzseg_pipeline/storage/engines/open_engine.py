"""The engine that the settings name, with a temporary folder of its own.

Who may hold one, and for how long, is decided elsewhere.
"""

import hashlib
from pathlib import Path

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.data_root import Home
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.object_store import store_of


def opened_engine(home: Home, settings: Settings) -> Engine:
    """An engine, to be closed after use. SettingsError where it cannot be had."""
    temporary = _temporary_folder(home, settings)
    store = store_of(home.root)
    if settings.engine == "spark" and store is not None:
        raise SettingsError(
            f'settings: engine = "spark" works on a folder, and the data root is {home.root}; take engine = "duckdb", '
            "or a folder that all of Spark's machines see."
        )
    if settings.engine == "spark":
        from amzseg_pipeline.storage.engines.spark import SparkEngine

        return SparkEngine(settings, temporary=temporary)
    from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine

    return DuckDBEngine(settings, temporary=temporary, store=store)


def _temporary_folder(home: Home, settings: Settings) -> Path:
    """A folder that belongs to this home alone: engines empty it when they open and delete it when they close."""
    if not settings.temporary_folder:
        return home.local / "warehouse" / ".temporary"
    given = Path(settings.temporary_folder)
    if not given.is_absolute() and not (home.local / given).resolve().is_relative_to(home.local.resolve()):
        raise SettingsError(
            f"{home.local / given}: temporary_folder leads outside the data root by a link; give a folder below it."
        )
    root = hashlib.sha256(str(home.root.absolute()).encode()).hexdigest()[:16]
    return home.local / given / f"amzseg_pipeline-{root}"
