"""What every builder of a warehouse table gets."""

from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse.progress import Log


@dataclass(frozen=True)
class BuildContext:
    """The engine, the warehouse folder, the settings and the log of a run.

    `code_version` is part of the name of every part, so other code writes other parts.
    """

    engine: Engine
    warehouse: Path
    code_version: str
    settings: Settings
    log: Log
