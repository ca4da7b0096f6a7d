"""Resources of the assets: the configuration of a run, and the engine under the run lock."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import Field

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings
from amzseg_pipeline.defs.dead_runs import fail_dead_runs, living_run
from amzseg_pipeline.defs.settings_config import SettingsConfig
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
from amzseg_pipeline.storage.warehouse.tasks import end_local_workers

_LOCK_POLL_SECONDS = 1.0

NO_RETRY = {"dagster/max_retries": "0"}
"""Tags of a run that Dagster must not retry."""


class PipelineResource(dg.ConfigurableResource):
    """What a run is configured with in the launchpad: data root, settings, clock, and what the operator asked for."""

    root: str = Field(default="", description="data root; empty uses AMZSEG_DATA, else data/")
    settings: SettingsConfig = Field(
        default=SettingsConfig(), description="settings of this run; they override settings.toml and AMZSEG_*"
    )
    force: bool = Field(default=False, description="run although nothing changed since the latest snapshot")
    train: bool = Field(default=False, description="train a challenger in this run, whatever the schedule says")
    approve: str = Field(default="", description="version of the pending model to promote to champion")
    skip_settling: bool = Field(
        default=False, description="skip files younger than settle_seconds, as scheduled runs do"
    )
    run_at: str = Field(
        default="", description="ISO 8601 time to use as now, local time without an offset; empty uses the clock"
    )

    @property
    def data_root(self) -> DataRoot:
        """The data root: `root`, else AMZSEG_DATA, else data/."""
        return data_root_from_environment({**os.environ, **({"AMZSEG_DATA": self.root} if self.root else {})})

    @property
    def resolved_settings(self) -> Settings:
        """The settings in force: defaults, then settings.toml, environment variables and `settings`."""
        return settings_of(self.data_root, overrides=self.settings.overrides())

    @property
    def user_key(self) -> UserKey | None:
        """The key for pseudonyms; from the environment only, because Dagster stores the config of runs."""
        return user_key_from_environment()

    @property
    def request_reason(self) -> str:
        """Why an operator wants this run although nothing changed; empty otherwise."""
        if self.approve:
            return f"model {self.approve} was approved"
        if self.train:
            return "a challenger was requested"
        return "the run was forced" if self.force else ""

    @property
    def now(self) -> datetime:
        """The time of this run, in UTC."""
        return datetime.fromisoformat(self.run_at).astimezone(UTC) if self.run_at else datetime.now(UTC)


class EngineResource(dg.ConfigurableResource[Engine]):
    """The engine of a run. The run that has it holds the run lock; other runs on this machine wait."""

    pipeline: dg.ResourceDependency[PipelineResource]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Engine]:
        """The engine, from the first asset of the run to its end.

        The lock covers this machine. On an object store a run that starts elsewhere takes over the write lease. Errors
        of the configuration fail the run, and Dagster does not retry it: a retry would fail again.
        """
        run_id = context.run.run_id if context.run else None
        try:
            data_root, settings = self.pipeline.data_root, self.pipeline.resolved_settings
            with living_run(data_root, run_id), self._run_lock(context, data_root):
                if context.instance and run_id:
                    fail_dead_runs(data_root, context.instance, run_id=run_id, now=datetime.now(UTC))
                if data_root.local_folder_path is not None:
                    # Files that a killed run did not upload.
                    shutil.rmtree(data_root.local_folder_path / STAGING_FOLDER, ignore_errors=True)
                if run_id:
                    acquire_lease(data_root.warehouse, run_id)
                engine = opened_engine(data_root, settings)
                try:
                    yield engine
                finally:
                    end_local_workers()
                    engine.close()
        except SettingsError:
            if context.instance and run_id:
                context.instance.add_run_tags(run_id, NO_RETRY)
            raise

    @staticmethod
    @contextmanager
    def _run_lock(context: dg.InitResourceContext, data_root: DataRoot) -> Iterator[None]:
        data_root.local.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_root.lock_file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if context.log:
                context.log.info(f"another run holds {data_root.lock_file}; this run waits until it ends")
            lock.acquire(poll_interval=_LOCK_POLL_SECONDS)
        try:
            yield
        finally:
            lock.release()
