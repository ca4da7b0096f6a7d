"""What every builder of a warehouse table gets."""

from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse.progress import Log


@dataclass(frozen=True)
class BuildContext:
    """The engine, the warehouse folder, the settings and the log of a run.

    File names contain `code_version`, so a new version of the code writes new files and never mixes with old ones.
    """

    engine: Engine
    warehouse: Path
    code_version: str
    settings: Settings
    log: Log
