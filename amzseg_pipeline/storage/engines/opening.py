"""The engine that the settings name, with a temporary folder of its own.

Who may hold one, and for how long, is decided elsewhere.
"""

import hashlib
from pathlib import Path

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.home import Home


def opened_engine(home: Home, settings: Settings) -> Engine:
    """An engine, to be closed after use. SettingsError where it cannot be had."""
    temporary = _temporary_folder(home, settings)
    if settings.engine == "spark":
        from amzseg_pipeline.storage.engines.spark import SparkEngine

        return SparkEngine(settings, temporary=temporary)
    from amzseg_pipeline.storage.engines.duckdb import DuckDBEngine

    return DuckDBEngine(settings, temporary=temporary)


def _temporary_folder(home: Home, settings: Settings) -> Path:
    """A folder that belongs to this home alone: engines empty it when they open and delete it when they close."""
    if not settings.temporary_folder:
        return home.warehouse / ".temporary"
    root = hashlib.sha256(str(home.root.absolute()).encode()).hexdigest()[:16]
    return Path(settings.temporary_folder) / f"amzseg_pipeline-{root}"
