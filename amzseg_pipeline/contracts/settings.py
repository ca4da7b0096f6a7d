"""Every setting: its default, range and meaning. Values come from settings.toml, the environment and run config.

Over 250 lines: one field per setting, with its meaning.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.config import JsonDict

from amzseg_pipeline.contracts.errors import SettingsError

ENVIRONMENT_PREFIX = "AMZSEG_"

_WORKERS = re.compile(r"1|local:[1-9][0-9]{0,2}|dask:(tcp|tls|ucx)://\S+|ray:ray://\S+")

_CHANGES_RESULT: JsonDict = {"changes_result": True}
"""Marks the settings whose change makes the latest segments out of date."""


class Settings(BaseModel):
    """The settings of a run. Raises SettingsError where a value is unknown, of the wrong type or out of range."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    settle_seconds: float = Field(
        60.0, ge=0, description="A scheduled run skips files modified less than this many seconds ago."
    )
    on_refused_file: Literal["fail", "skip"] = Field(
        "fail",
        description="What to do with a file that cannot be read: fail the run, or skip the file.",
        json_schema_extra=_CHANGES_RESULT,
    )
    max_file_bytes: int = Field(
        8 * 2**30, ge=1, description="The largest file that is read, in bytes.", json_schema_extra=_CHANGES_RESULT
    )
    max_expanded_bytes: int = Field(
        64 * 2**30,
        ge=1,
        description="The largest decompressed size of a file, in bytes.",
        json_schema_extra=_CHANGES_RESULT,
    )
    max_expansion_ratio: float = Field(
        100.0,
        ge=1,
        description="The largest ratio of decompressed to compressed size.",
        json_schema_extra=_CHANGES_RESULT,
    )
    max_rejected_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="A run stops at or above this share of rejected rows, or of unreadable values in a column.",
    )
    min_rows_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="A run stops with fewer cleaned reviews than this share of those in the latest snapshot.",
    )
    max_rows_share: float = Field(
        2.0,
        ge=1,
        description="A run stops with more cleaned reviews than this multiple of those in the latest snapshot.",
    )
    transform: Literal["none", "log"] = Field(
        "log",
        description="Features as they are, or log-transformed with means of few reviews shrunk.",
        json_schema_extra=_CHANGES_RESULT,
    )
    k: int = Field(
        0,
        ge=0,
        le=10,
        description="The number of segments; 0 chooses it by the evidence.",
        json_schema_extra=_CHANGES_RESULT,
    )
    k_min: int = Field(
        3, ge=2, le=10, description="The smallest number of segments to choose from.", json_schema_extra=_CHANGES_RESULT
    )
    k_max: int = Field(
        8, ge=2, le=10, description="The largest number of segments to choose from.", json_schema_extra=_CHANGES_RESULT
    )
    min_prediction_strength: float = Field(
        0.7,
        ge=0,
        le=1,
        description="The smallest prediction strength of an accepted number of segments.",
        json_schema_extra=_CHANGES_RESULT,
    )
    min_jaccard: float = Field(
        0.75,
        ge=0,
        le=1,
        description="The smallest Jaccard index over bootstraps of each segment.",
        json_schema_extra=_CHANGES_RESULT,
    )
    min_silhouette: float = Field(
        0.2, ge=-1, le=1, description="The smallest mean silhouette.", json_schema_extra=_CHANGES_RESULT
    )
    min_silhouette_gain: float = Field(
        0.05,
        ge=-2,
        le=2,
        description="The smallest gain of the mean silhouette over that of the single-population null.",
        json_schema_extra=_CHANGES_RESULT,
    )
    min_separation: float = Field(
        0.3,
        ge=0,
        le=1,
        description="The smallest depth of the valley in the density of users between any two segments.",
        json_schema_extra=_CHANGES_RESULT,
    )
    min_segment_share: float = Field(
        0.02, ge=0, le=1, description="The smallest share of users in a segment.", json_schema_extra=_CHANGES_RESULT
    )
    min_silhouette_ratio: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Of the accepted k, the largest with a silhouette of at least this ratio of the best is chosen.",
        json_schema_extra=_CHANGES_RESULT,
    )
    prediction_splits: int = Field(
        25,
        ge=2,
        description="The largest number of random splits into halves to measure prediction strength.",
        json_schema_extra=_CHANGES_RESULT,
    )
    jaccard_bootstraps: int = Field(
        50,
        ge=1,
        description="The largest number of bootstraps to measure the Jaccard index.",
        json_schema_extra=_CHANGES_RESULT,
    )
    seed: int = Field(
        42, ge=0, le=2**32 - 1, description="The seed of every random number.", json_schema_extra=_CHANGES_RESULT
    )
    n_init: int = Field(10, ge=1, description="Initialisations of KMeans.", json_schema_extra=_CHANGES_RESULT)
    min_name_fit: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A check warns of a segment name that explains less than this share of how the segment differs.",
    )
    training_users: int = Field(
        200_000, ge=10, description="The largest sample of users to fit a model.", json_schema_extra=_CHANGES_RESULT
    )
    selection_users: int = Field(
        20_000, ge=10, description="The largest sample of users to choose k.", json_schema_extra=_CHANGES_RESULT
    )
    silhouette_users: int = Field(
        10_000,
        ge=10,
        description="The largest sample of users to measure a silhouette.",
        json_schema_extra=_CHANGES_RESULT,
    )
    stability_users: int = Field(
        10_000,
        ge=10,
        description="The largest sample of users to measure prediction strength and the Jaccard index.",
        json_schema_extra=_CHANGES_RESULT,
    )
    comparison_users: int = Field(
        3_000, ge=10, description="The largest sample of users to compare clustering algorithms."
    )
    comparison_subsamples: int = Field(
        3, ge=2, description="Subsamples on which each clustering algorithm is repeated."
    )
    challenger_days: int = Field(7, ge=1, description="The number of days after which a new challenger is trained.")
    cold_start_gain: float = Field(
        0.01,
        ge=0,
        le=1,
        description="A cold start replaces the warm start if its inertia is lower by more than this share.",
    )
    promotion: Literal["automatic", "approve"] = Field(
        "automatic",
        description="Whether a challenger that changes much is promoted if drift persists or it has been pending for "
        "drift_persist_days (automatic), or only after an approval (approve).",
    )
    drift_persist_runs: int = Field(3, ge=1, description="Drift persists after this number of runs.")
    drift_persist_days: float = Field(7.0, ge=0, description="Drift persists after this number of days, if earlier.")
    drift_challenger_days: int = Field(3, ge=1, description="The number of days after which drift trains again.")
    promote_min_runs: int = Field(7, ge=1, description="The fewest runs between two promotions that move users.")
    promote_silhouette_gain: float = Field(
        0.02,
        ge=0,
        description="A challenger with another k is better if its silhouette gain over the null is higher by this.",
    )
    promote_inertia_gain: float = Field(
        0.01, ge=0, le=1, description="A challenger is better if its inertia is lower by at least this share."
    )
    promote_silhouette_loss: float = Field(
        0.02, ge=0, description="The largest loss of silhouette against the champion's."
    )
    promote_adjusted_rand: float = Field(
        0.80, ge=-1, le=1, description="The smallest adjusted Rand index of challenger and champion."
    )
    promote_moved_share: float = Field(
        0.10,
        ge=0,
        le=1,
        description="The largest share of users whose segment changes because of the challenger alone.",
    )
    promote_centroid_shift: float = Field(
        0.5, ge=0, description="The largest shift of the mean of a segment, in standard deviations."
    )
    lineage_users: int = Field(1_000, ge=1, description="The fewest shared users for matching segments by overlap.")
    lineage_overlap: float = Field(
        0.5, ge=0, le=1, description="The smallest Jaccard index of users with which a segment keeps its id."
    )
    drift_psi: float = Field(0.10, ge=0, description="The population stability index (PSI) above which drift warns.")
    drift_feature_psi: float = Field(
        0.25, ge=0, description="The PSI of one feature above which a challenger is trained."
    )
    drift_noise_factor: float = Field(
        2.4, ge=0, description="A PSI below this multiple of its sampling noise never warns."
    )
    drift_distance_ratio: float = Field(
        1.10, ge=1, description="The mean squared distance relative to the reference above which drift warns."
    )
    drift_outlier_ratio: float = Field(
        2.0, ge=1, description="The number of outliers relative to the reference above which drift warns."
    )
    drift_unseen_share: float = Field(
        0.20, ge=0, le=1, description="The share of users not in the reference above which drift warns."
    )
    user_ids: Literal["either", "keyed", "given"] = Field(
        "either",
        description="Pseudonyms only (keyed), plain ids only (given), or either; never plain ids after pseudonyms.",
    )
    keep_snapshots: int = Field(30, ge=1, description="The number of snapshots to keep.")
    keep_snapshot_bytes: int = Field(20 * 10**9, ge=1, description="The bytes of snapshots to keep.")
    keep_snapshot_hours: float = Field(
        48.0, ge=0, description="Snapshots younger than this many hours are always kept."
    )
    keep_run_days: float = Field(90.0, ge=1, description="Days of run history to keep.")
    stale_days: float = Field(3.0, ge=0, description="The app warns of a snapshot older than this many days.")
    plots: Literal["on", "off"] = Field("on", description="Whether a run renders plots and the report.")
    deduplication: Literal["on", "off"] = Field(
        "on",
        description="Whether to remove duplicate reviews; turn it off only if no export repeats a review.",
        json_schema_extra=_CHANGES_RESULT,
    )
    bucket_rows: int = Field(8_000_000, ge=1, description="Reviews per bucket; memory grows with it.")
    threads: int = Field(0, ge=0, description="Threads of the engine; 0 uses all cores of this process.")
    memory_limit_mib: int = Field(
        0, ge=0, description="Memory of the engine in MiB; 0 uses half of the machine's memory."
    )
    workers: str = Field(
        "1",
        description="Where tasks run: 1 (in this process), local:N (in N processes), dask:ADDRESS or ray:ADDRESS.",
    )
    worker_threads: int = Field(
        0, ge=0, description="Threads of the engine of a worker; 0 uses its cores, those of local workers are shared."
    )
    worker_memory_mib: int = Field(
        0,
        ge=0,
        description="Memory of the engine of a worker in MiB; 0 uses half of its machine's, which local workers share.",
    )
    temporary_folder: str = Field(
        "",
        description="The folder below the data root for data that exceeds memory; empty uses the warehouse. "
        "AMZSEG_TEMPORARY_FOLDER may name a folder elsewhere.",
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as invalid:
            raise _InvalidSetting(invalid) from None

    @field_validator("*", mode="before")
    @classmethod
    def _no_booleans(cls, value: Any) -> Any:
        # Pydantic would read true as 1; as a text it is refused.
        return str(value) if isinstance(value, bool) else value

    @model_validator(mode="after")
    def _consistent_k(self) -> Self:
        if self.k_min > self.k_max:
            raise ValueError(f"k_min = {self.k_min} is above k_max = {self.k_max}; lower it or raise k_max.")
        if self.k == 1:
            raise ValueError("k = 1 is not a segmentation; give 2 to 10, or 0 to choose k by the evidence.")
        return self

    @model_validator(mode="after")
    def _known_workers(self) -> Self:
        if not _WORKERS.fullmatch(self.workers):
            raise ValueError(
                f"workers = {self.workers!r} is unknown; give 1, local:4, dask:tcp://host:8786 or ray:ray://host:10001."
            )
        return self

    @property
    def local_workers(self) -> int:
        """The number of worker processes of this machine; 0 where tasks run elsewhere or in this process."""
        return int(self.workers.removeprefix("local:")) if self.workers.startswith("local:") else 0

    @property
    def result_hash(self) -> str:
        """First 16 hexadecimal digits of the sha256 of the settings that change the result."""
        return self._hash_without(())

    @property
    def model_hash(self) -> str:
        """Like `result_hash`, without the settings that only decide which files are read."""
        return self._hash_without(_FILE_LIMITS)

    def _hash_without(self, excluded: tuple[str, ...]) -> str:
        shaping = (name for name, field in Settings.model_fields.items() if field.json_schema_extra)
        hashed = {name: getattr(self, name) for name in shaping if name not in excluded}
        return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:16]


_ENVIRONMENT = "environment"
_FOLDERS = ("temporary_folder",)
_FILE_LIMITS = ("on_refused_file", "max_file_bytes", "max_expanded_bytes", "max_expansion_ratio")


def settings_from(
    *, file_values: Mapping[str, Any], file_name: str, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> Settings:
    """Settings from the values of a file, overridden by `AMZSEG_<NAME>` variables, then by `overrides`.

    Raises SettingsError naming the location, the key and the fix for unknown keys and wrong values. Variables with the
    prefix that name no setting are refused, except those in `OTHER_VARIABLES`.
    """
    from_environment = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in OTHER_VARIABLES
    }
    values: dict[str, Any] = {}
    locations: dict[str, str] = {}
    for location, given in ((file_name, file_values), (_ENVIRONMENT, from_environment), ("run config", overrides)):
        for name, value in given.items():
            if name not in Settings.model_fields:
                close = difflib.get_close_matches(name, Settings.model_fields, n=1)
                known = f"the settings are {', '.join(Settings.model_fields)}."
                advice = f"did you mean {close[0]!r}?" if close else known
                raise SettingsError(f"{location}: there is no setting {name!r}; {advice}")
            values[name], locations[name] = value, location
    try:
        settings = Settings(**values)
    except _InvalidSetting as invalid:
        raise SettingsError(f"{locations.get(invalid.name, 'settings')}: {invalid.message}") from None
    for name in _FOLDERS:
        if folder := getattr(settings, name):
            _check_folder(locations[name], name, folder, may_lead_outside=locations[name] == _ENVIRONMENT)
    return settings


OTHER_VARIABLES = frozenset(
    f"{ENVIRONMENT_PREFIX}{name}"
    for name in (
        "DATA",
        "LOCAL",
        "REAL_DATA",
        "TIMEZONE",
        "CRON",
        "USER_KEY",
        "FORMER_USER_KEYS",
        "ALERT_URL",
        "PING_URL",
        "POSTGRES_URL",
        "DELIVER_URL",
        "API",
        "API_TOKEN",
    )
)
"""Variables with the prefix that are not settings: the data root, the schedule, secrets and addresses."""


class _InvalidSetting(SettingsError):
    def __init__(self, invalid: ValidationError) -> None:
        details = invalid.errors(include_url=False)[0]
        self.name = str(next(iter(details["loc"]), ""))
        if not self.name:
            self.message = str(details["ctx"]["error"])
        elif details["type"] == "extra_forbidden":
            self.message = f"there is no setting {self.name!r}."
        else:
            self.message = f"{self.name} is {details['input']!r}; give {_accepted(self.name)}."
        super().__init__(f"settings: {self.message}")


def _accepted(name: str) -> str:
    """The accepted values as text, for example `an integer, 0 to 10`."""
    field = Settings.model_fields[name]
    if field.annotation not in _TYPES:
        return f"one of {', '.join(get_args(field.annotation))}"
    bounds = {bound: getattr(each, bound) for each in field.metadata for bound in ("ge", "le") if hasattr(each, bound)}
    low, high = bounds.get("ge"), bounds.get("le")
    text = _TYPES[field.annotation]
    if low is None:
        return text
    return f"{text}, at least {low}" if high is None else f"{text}, {low} to {high}"


_TYPES: dict[Any, str] = {int: "an integer", float: "a number", str: "a text"}


def _check_folder(location: str, name: str, value: str, *, may_lead_outside: bool) -> None:
    """Only the environment may name a folder outside the data root: a settings file or run config may not."""
    if "://" in value or "\0" in value:
        raise SettingsError(f"{location}: {name} is {value!r}; give a folder of this machine.")
    if not may_lead_outside and (PurePath(value).is_absolute() or ".." in PurePath(value).parts):
        raise SettingsError(
            f"{location}: {name} is {value!r}, which leads outside the data root; give a folder below it, or set "
            f"{ENVIRONMENT_PREFIX}{name.upper()} where the processes are started."
        )
