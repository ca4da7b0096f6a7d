"""What assets are given: the data home with its settings, and the engine under the run lock.

No tables are read or written here: see io_manager.py.
"""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import Field

from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.steps.pseudonyms import UserKey
from amzseg_pipeline.storage.data_root import (
    DataRoot,
    data_root_from_environment,
    settings_of,
    user_key_from_environment,
)
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.engines.open_engine import opened_engine
from amzseg_pipeline.storage.fs.atomic_writes import STAGING_FOLDER
from amzseg_pipeline.storage.fs.write_lease import acquire_lease

_LOCK_POLL_SECONDS = 1.0


class PipelineResource(dg.ConfigurableResource):
    """The data root, the settings in force and the clock. Each can be set for one run in the launchpad."""

    root: str = Field(default="", description="the data root; empty takes AMZSEG_DATA, else data/")
    settings: dict[str, Any] = Field(default={}, description="settings for this run, above file and environment")
    force: bool = Field(default=False, description="run even where nothing changed since the last snapshot")
    train: bool = Field(default=False, description="train a challenger in this run, whatever the calendar says")
    approve: str = Field(default="", description="version of the model that waits and takes the champion's place")
    settle: bool = Field(default=False, description="leave files younger than settle_seconds, as the nightly run does")
    now: str = Field(default="", description="ISO 8601 time to run as; empty takes the clock")

    @property
    def data_root(self) -> DataRoot:
        """The folders."""
        return data_root_from_environment({**os.environ, **({"AMZSEG_DATA": self.root} if self.root else {})})

    @property
    def values(self) -> Settings:
        """The settings: defaults, settings.toml, environment, then `settings`."""
        return settings_of(self.data_root, overrides=self.settings)

    @property
    def user_key(self) -> UserKey | None:
        """The key of users' ids, taken from the environment alone: what a run is configured with is written down."""
        return user_key_from_environment()

    @property
    def asked_for(self) -> str:
        """Why somebody wants this run even where nothing changed; empty where nobody does."""
        if self.approve:
            return f"somebody approves model {self.approve}"
        if self.train:
            return "somebody asked for a challenger"
        return "the run was forced" if self.force else ""

    @property
    def time(self) -> datetime:
        """The time this run takes for now, with its zone."""
        return datetime.fromisoformat(self.now).astimezone(UTC) if self.now else datetime.now(UTC)


@dg.resource(
    required_resource_keys={"pipeline"},
    description="The engine. Holding it is holding the run lock: a second run waits until the first has ended.",
)
def engine_under_lock(context: dg.InitResourceContext) -> Iterator[Engine]:
    """The engine of a run, from its first asset to its end.

    The lock is this machine's. On a store a run that begins elsewhere meanwhile takes the turn from this one.
    """
    pipeline: PipelineResource = context.resources.pipeline
    data_root = pipeline.data_root
    data_root.local.mkdir(parents=True, exist_ok=True)
    lock = FileLock(data_root.lock_file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if context.log:
            context.log.info(f"another run holds {data_root.lock_file}; this run waits until it has ended")
        lock.acquire(poll_interval=_LOCK_POLL_SECONDS)
    try:
        if data_root.local_folder_path is not None:
            # What a killed run had not uploaded yet.
            shutil.rmtree(data_root.local_folder_path / STAGING_FOLDER, ignore_errors=True)
        if context.run is not None:
            acquire_lease(data_root.warehouse, context.run.run_id)
        engine = opened_engine(data_root, pipeline.values)
        try:
            yield engine
        finally:
            engine.close()
    finally:
        lock.release()
