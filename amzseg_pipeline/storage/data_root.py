"""The data root: its directories and its settings file."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.settings import Settings, settings_from
from amzseg_pipeline.steps.pseudonyms import FORMER_KEYS_VARIABLE, USER_KEY_VARIABLE, UserKey, user_key_from
from amzseg_pipeline.storage.fs.object_store import access_errors, local_folder, path_at, store_of

SETTINGS_FILE = "settings.toml"


@dataclass(frozen=True)
class DataRoot:
    """The data root: `landing/` is read-only, `warehouse/` may be deleted, `published/` is for readers.

    If `root` is in an object store, `local_folder_path` is the local folder for what must be on a disk.
    """

    root: Path
    local_folder_path: Path | None = None

    @property
    def local(self) -> Path:
        """The local folder: the root itself, unless that is in an object store."""
        return self.local_folder_path or self.root

    @property
    def landing(self) -> Path:
        """Exports as delivered; the pipeline never writes here."""
        return self.root / "landing"

    @property
    def warehouse(self) -> Path:
        """Tables between assets: a cache."""
        return self.root / "warehouse"

    @property
    def artifacts(self) -> Path:
        """Plots and reports, one folder per run."""
        return self.root / "artifacts"

    @property
    def published(self) -> Path:
        """Snapshots and the pointer to the latest."""
        return self.root / "published"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME."""
        return self.local / "dagster"

    @property
    def lock_file(self) -> Path:
        """Locked by the active run on this machine."""
        return self.local / ".lock"


def data_root_from_environment(environment: Mapping[str, str] = os.environ) -> DataRoot:
    """The data root in `AMZSEG_DATA`, or `data/` in the working directory. SettingsError as data_root_at."""
    return data_root_at(environment.get("AMZSEG_DATA") or "data", environment)


def data_root_at(location: Path | str, environment: Mapping[str, str] = os.environ) -> DataRoot:
    """The data root in a local folder or in an object store.

    SettingsError for an unsupported object store, or if the extra for it is not installed.
    """
    root = path_at(location)
    return DataRoot(root) if store_of(root) is None else DataRoot(root, local_folder_path=local_folder(environment))


def settings_of(
    data_root: DataRoot, *, overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings: settings.toml in the data root, overridden by the environment, then by `overrides`."""
    path = data_root.root / SETTINGS_FILE
    values: dict[str, Any] = {}
    try:
        if path.exists():
            values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is not TOML ({error}); fix that line or delete the file.") from error
    except access_errors() as error:
        raise SettingsError(f"{path}: it cannot be read ({error}); check the permissions.") from error
    return settings_from(file_values=values, file_name=str(path), environment=environment, overrides=overrides or {})


def user_key_from_environment(environment: Mapping[str, str] = os.environ) -> UserKey | None:
    """The key that pseudonymises user ids, None if it is not set. SettingsError if it is too short."""
    return user_key_from(environment.get(USER_KEY_VARIABLE))


def user_keys_from_environment(environment: Mapping[str, str] = os.environ) -> tuple[UserKey, ...]:
    """The key in use and former keys (separated by white space), for snapshots made with them."""
    former = environment.get(FORMER_KEYS_VARIABLE, "").split()
    keys = map(user_key_from, (environment.get(USER_KEY_VARIABLE), *former))
    return tuple(key for key in keys if key is not None)
