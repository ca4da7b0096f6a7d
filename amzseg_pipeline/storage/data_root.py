"""The data root and its rooms, and the settings file in it.

No tables and no exports here.
"""

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
    """The data root: `landing/` is read only, `warehouse/` may be deleted, `published/` is what others read.

    Where `root` lies in an object store, `on_machine` is the folder of this machine for what cannot lie there.
    """

    root: Path
    local_folder_path: Path | None = None

    @property
    def local(self) -> Path:
        """The folder of this machine: the root itself, unless that is in a store."""
        return self.local_folder_path or self.root

    @property
    def landing(self) -> Path:
        """Exports, as they were delivered. Never written by us."""
        return self.local / "landing"

    @property
    def warehouse(self) -> Path:
        """Tables between assets: a cache."""
        return self.root / "warehouse"

    @property
    def artifacts(self) -> Path:
        """Plots and reports, a folder per run."""
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
        """Held by the run that is under way on this machine."""
        return self.local / ".lock"


def data_root_from_environment(environment: Mapping[str, str] = os.environ) -> DataRoot:
    """The home that `AMZSEG_DATA` names, `data/` below the working directory when unset. SettingsError as home_at."""
    return data_root_at(environment.get("AMZSEG_DATA") or "data", environment)


def data_root_at(place: Path | str, environment: Mapping[str, str] = os.environ) -> DataRoot:
    """The home whose root is a folder of this machine, or an address in an object store.

    SettingsError where it is an address that is none of a store we know, or the extra for it is not installed.
    """
    root = path_at(place)
    return DataRoot(root) if store_of(root) is None else DataRoot(root, local_folder_path=local_folder(environment))


def settings_of(
    data_root: DataRoot, *, overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of `home`: its settings.toml if there is one, the environment, then `overrides`."""
    path = data_root.root / SETTINGS_FILE
    values: dict[str, Any] = {}
    try:
        if path.exists():
            values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this is not TOML ({error}); mend that line or take the file away.") from error
    except access_errors() as error:
        raise SettingsError(f"{path}: it cannot be read ({error}); see to the permissions there.") from error
    return settings_from(file_values=values, file_name=str(path), environment=environment, overrides=overrides or {})


def user_key_from_environment(environment: Mapping[str, str] = os.environ) -> UserKey | None:
    """The key of users' ids, None where none is set. SettingsError where it is too short."""
    return user_key_from(environment.get(USER_KEY_VARIABLE))


def user_keys_from_environment(environment: Mapping[str, str] = os.environ) -> tuple[UserKey, ...]:
    """The key in use and those that were in use before, separated by white space, for snapshots made with them."""
    former = environment.get(FORMER_KEYS_VARIABLE, "").split()
    keys = map(user_key_from, (environment.get(USER_KEY_VARIABLE), *former))
    return tuple(key for key in keys if key is not None)
