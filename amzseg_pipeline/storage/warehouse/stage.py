"""What a stage that works in parts is given.

Nothing is done here.
"""

from dataclasses import dataclass
from pathlib import Path

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.warehouse.progress import Log


@dataclass(frozen=True)
class Stage:
    """The engine a stage runs on, where its parts lie, and how it tells how far it is.

    `code_version` names the code behind the parts: with another one they are made anew.
    """

    engine: Engine
    warehouse: Path
    code_version: str
    settings: Settings
    log: Log
