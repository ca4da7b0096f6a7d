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

SETTINGS_FILE = "settings.toml"


@dataclass(frozen=True)
class Home:
    """The data root: `landing/` is read only, `warehouse/` may be deleted, `published/` is what others read."""

    root: Path

    @property
    def landing(self) -> Path:
        """Exports, as they were delivered. Never written by us."""
        return self.root / "landing"

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
        return self.root / "dagster"

    @property
    def lock_file(self) -> Path:
        """Held by the run that is under way."""
        return self.root / ".lock"


def home_from_environment(environment: Mapping[str, str] = os.environ) -> Home:
    """The home that `AMZSEG_DATA` names, `data/` below the working directory when unset.

    SettingsError where it is an address and no folder.
    """
    root = environment.get("AMZSEG_DATA") or "data"
    if "://" in root:
        raise SettingsError(f"AMZSEG_DATA is {root}; give a folder of this machine: other stores are not supported.")
    return Home(Path(root).absolute())


def settings_of(
    home: Home, *, overrides: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of `home`: its settings.toml if there is one, the environment, then `overrides`."""
    path = home.root / SETTINGS_FILE
    values: dict[str, Any] = {}
    if path.exists():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: this is not TOML ({error}); mend that line or take the file away.") from error
    return settings_from(file_values=values, file_name=str(path), environment=environment, overrides=overrides or {})


def user_key_from_environment(environment: Mapping[str, str] = os.environ) -> UserKey | None:
    """The key of users' ids, None where none is set. SettingsError where it is too short."""
    return user_key_from(environment.get(USER_KEY_VARIABLE))


def user_keys_from_environment(environment: Mapping[str, str] = os.environ) -> tuple[UserKey, ...]:
    """The key in use and those that were in use before, separated by white space, for snapshots made with them."""
    former = environment.get(FORMER_KEYS_VARIABLE, "").split()
    keys = map(user_key_from, (environment.get(USER_KEY_VARIABLE), *former))
    return tuple(key for key in keys if key is not None)
