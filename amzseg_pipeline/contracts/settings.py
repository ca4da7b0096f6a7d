"""Every setting there is: its default, meaning and range. Read from settings.toml with AMZSEG_* above it."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import PurePath
from typing import Any

from amzseg_pipeline.contracts.errors import SettingsError

ENVIRONMENT_PREFIX = "AMZSEG_"


def _setting(
    default: Any,
    meaning: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    changes_result: bool = False,
) -> Any:
    return field(
        default=default,
        metadata={
            "meaning": meaning,
            "minimum": minimum,
            "maximum": maximum,
            "choices": choices,
            "changes_result": changes_result,
        },
    )


@dataclass(frozen=True)
class Settings:
    """The settings of a run. `changes_result` marks those whose change makes last night's segments out of date."""

    settle_seconds: float = _setting(60.0, "the nightly run leaves files younger than this for later", minimum=0)
    on_refused_file: str = _setting(
        "fail", "a file that cannot be read fails the run, or is skipped", choices=("fail", "skip"), changes_result=True
    )
    max_file_bytes: int = _setting(8 * 2**30, "largest file that is read", minimum=1, changes_result=True)
    max_expanded_bytes: int = _setting(
        64 * 2**30, "largest size of a file once unpacked", minimum=1, changes_result=True
    )
    max_expansion_ratio: float = _setting(
        100.0, "largest ratio of unpacked to packed size", minimum=1, changes_result=True
    )
    max_rejected_share: float = _setting(
        0.05, "rejected rows, or unreadable values of a column, that stop a run", minimum=0, maximum=1
    )
    min_rows_share: float = _setting(
        0.5, "fewest cleaned reviews, as a share of the last snapshot's, that pass", minimum=0
    )
    max_rows_share: float = _setting(
        2.0, "most cleaned reviews, as a share of the last snapshot's, that pass", minimum=1
    )
    transform: str = _setting(
        "log",
        "features as they are, or in logarithms with means of few reviews shrunk",
        choices=("none", "log"),
        changes_result=True,
    )
    k: int = _setting(0, "number of segments; 0 lets the evidence choose", minimum=0, maximum=10, changes_result=True)
    k_min: int = _setting(3, "fewest segments to choose from", minimum=2, maximum=10, changes_result=True)
    k_max: int = _setting(8, "most segments to choose from", minimum=2, maximum=10, changes_result=True)
    min_prediction_strength: float = _setting(
        0.8, "least prediction strength of a number of segments", minimum=0, maximum=1, changes_result=True
    )
    min_jaccard: float = _setting(
        0.75, "least Jaccard index of every segment over bootstraps", minimum=0, maximum=1, changes_result=True
    )
    min_silhouette: float = _setting(0.2, "least mean silhouette", minimum=-1, maximum=1, changes_result=True)
    min_silhouette_gain: float = _setting(
        0.05,
        "least by which the mean silhouette is above that of users of one kind",
        minimum=-2,
        maximum=2,
        changes_result=True,
    )
    min_segment_share: float = _setting(
        0.02, "least share of users in every segment", minimum=0, maximum=1, changes_result=True
    )
    min_silhouette_ratio: float = _setting(
        0.9,
        "most segments are chosen whose silhouette is this part of the best",
        minimum=0,
        maximum=1,
        changes_result=True,
    )
    prediction_splits: int = _setting(
        25, "halvings that prediction strength is measured on", minimum=1, changes_result=True
    )
    jaccard_bootstraps: int = _setting(
        50, "bootstraps the Jaccard index is measured on", minimum=1, changes_result=True
    )
    seed: int = _setting(42, "seed of everything random", minimum=0, maximum=2**32 - 1, changes_result=True)
    n_init: int = _setting(10, "starts of KMeans", minimum=1, changes_result=True)
    min_name_fit: float = _setting(
        0.25, "a name that accounts for less of what sets its segment apart is warned of", minimum=0, maximum=1
    )
    training_users: int = _setting(200_000, "most users a model is fitted on", minimum=10, changes_result=True)
    selection_users: int = _setting(20_000, "most users k is chosen on", minimum=10, changes_result=True)
    silhouette_users: int = _setting(10_000, "most users a silhouette is measured on", minimum=10, changes_result=True)
    stability_users: int = _setting(
        10_000, "most users prediction strength and Jaccard index are measured on", minimum=10, changes_result=True
    )
    comparison_users: int = _setting(3_000, "most users other algorithms are compared on", minimum=10)
    comparison_subsamples: int = _setting(3, "subsamples that each algorithm is repeated on", minimum=2)
    challenger_days: int = _setting(7, "days after which another challenger is trained", minimum=1)
    cold_start_gain: float = _setting(
        0.01, "a challenger starts from anew if that lowers its inertia by this part", minimum=0, maximum=1
    )
    promote_inertia_gain: float = _setting(
        0.01, "a challenger is better if its inertia is lower by this part", minimum=0, maximum=1
    )
    promote_silhouette_loss: float = _setting(
        0.02, "most that a challenger's silhouette may lie below the champion's", minimum=0
    )
    promote_adjusted_rand: float = _setting(
        0.80, "least adjusted Rand index of a challenger with the champion", minimum=-1, maximum=1
    )
    promote_moved_share: float = _setting(0.10, "most users that a challenger alone may move", minimum=0, maximum=1)
    promote_centroid_shift: float = _setting(0.5, "farthest a segment's mean may move, in sd", minimum=0)
    lineage_users: int = _setting(1_000, "common users from which segments are matched by overlap", minimum=1)
    lineage_overlap: float = _setting(
        0.5, "least Jaccard index of its users with which a segment survives", minimum=0, maximum=1
    )
    drift_psi: float = _setting(0.10, "a population stability index above this warns", minimum=0)
    drift_feature_psi: float = _setting(0.25, "a feature's index from which it alone asks for a challenger", minimum=0)
    drift_noise_factor: float = _setting(2.4, "an index below this many times its noise never warns", minimum=0)
    drift_distance_ratio: float = _setting(
        1.10, "mean squared distance against that at training, from which it warns", minimum=1
    )
    drift_outlier_ratio: float = _setting(2.0, "outliers against those at training, above which it warns", minimum=1)
    drift_unseen_share: float = _setting(
        0.20, "part of users unknown at training, above which it warns", minimum=0, maximum=1
    )
    user_ids: str = _setting(
        "either",
        "ids of users: keyed, with AMZSEG_USER_KEY; given, as the source has them; either, but never given after keyed",
        choices=("either", "keyed", "given"),
    )
    keep_snapshots: int = _setting(30, "snapshots that are kept", minimum=1)
    keep_snapshot_bytes: int = _setting(20 * 10**9, "bytes of snapshots that are kept", minimum=1)
    keep_snapshot_hours: float = _setting(48.0, "a snapshot younger than this is never deleted", minimum=0)
    keep_run_days: float = _setting(90.0, "history of runs that is kept", minimum=1)
    stale_days: float = _setting(3.0, "the app warns of a snapshot older than this", minimum=0)
    plots: str = _setting("on", "whether a run draws its plots and report", choices=("on", "off"))
    deduplication: str = _setting(
        "search",
        "search: remove duplicate reviews; none: trust that no review is delivered twice",
        choices=("search", "none"),
        changes_result=True,
    )
    bucket_rows: int = _setting(8_000_000, "reviews that are looked at together; memory grows with them", minimum=1)
    engine: str = _setting(
        "duckdb", "what runs the steps: DuckDB in this process, or Spark", choices=("duckdb", "spark")
    )
    spark_master: str = _setting("local[*]", "where Spark runs, as spark-submit's --master has it")
    threads: int = _setting(0, "threads of the engine; 0 takes the cores this process may use", minimum=0)
    memory_limit_mib: int = _setting(0, "memory of the engine; 0 takes half of what there is", minimum=0)
    temporary_folder: str = _setting(
        "",
        "folder below the data root for what memory does not hold; empty takes the warehouse; "
        "AMZSEG_TEMPORARY_FOLDER may name one elsewhere",
    )

    def __post_init__(self) -> None:
        for setting in fields(self):
            _check(setting.name, getattr(self, setting.name), setting.metadata)
        if self.k_min > self.k_max:
            raise SettingsError(
                f"settings: k_min = {self.k_min} is above k_max = {self.k_max}; lower it or raise k_max."
            )
        if self.k == 1:
            raise SettingsError("settings: k = 1 is no segmentation; give 2 to 10, or 0 to let the evidence choose.")

    @property
    def result_hash(self) -> str:
        """First 16 hexadecimal digits of the sha256 of the settings that change the result."""
        return self._hash_without(())

    @property
    def model_hash(self) -> str:
        """The same of those among them that shape the model; which files are read does not."""
        return self._hash_without(_OF_READING)

    def as_dict(self) -> dict[str, Any]:
        """Every setting by name."""
        return asdict(self)

    def _hash_without(self, left_out: tuple[str, ...]) -> str:
        shaping = {s.name: getattr(self, s.name) for s in fields(self) if s.metadata["changes_result"]}
        kept = {name: value for name, value in shaping.items() if name not in left_out}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


_ENVIRONMENT = "environment"
_FOLDERS = ("temporary_folder",)
_OF_READING = ("on_refused_file", "max_file_bytes", "max_expanded_bytes", "max_expansion_ratio")


def settings_from(
    *, file_values: Mapping[str, Any], file_name: str, environment: Mapping[str, str], overrides: Mapping[str, Any]
) -> Settings:
    """Settings from the values of a file, with `AMZSEG_<NAME>` variables above them and `overrides` above those.

    Raises SettingsError naming the place, the key and the fix for unknown keys and values of the wrong kind.
    Variables with the prefix that name no setting are refused, but for those in `OTHER_VARIABLES`.
    """
    from_environment = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name not in OTHER_VARIABLES
    }
    known = {setting.name: setting for setting in fields(Settings)}
    values: dict[str, Any] = {}
    for place, given in ((file_name, file_values), (_ENVIRONMENT, from_environment), ("run config", overrides)):
        for name, value in given.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                advice = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(known)}."
                raise SettingsError(f"{place}: there is no setting {name!r}; {advice}")
            values[name] = _typed(place, name, value, type(known[name].default))
            if name in _FOLDERS and values[name]:
                _check_folder(place, name, values[name], may_lead_outside=place == _ENVIRONMENT)
    return Settings(**values)


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
    )
)
"""Variables with our prefix that are not settings: where data lies, when runs start, secrets and addresses."""


def _typed(place: str, name: str, value: Any, kind: type) -> Any:
    try:
        if isinstance(value, bool):
            raise ValueError
        if kind is int and isinstance(value, float) and not value.is_integer():
            raise ValueError
        return kind(value)
    except (TypeError, ValueError):
        wanted = {int: "a whole number", float: "a number", str: "a text"}[kind]
        raise SettingsError(f"{place}: setting {name!r} is {value!r}; give {wanted}.") from None


def _check_folder(place: str, name: str, value: str, *, may_lead_outside: bool) -> None:
    """Who starts the processes may name any folder; who may write a file of settings or start a run may not."""
    if "://" in value or "\0" in value:
        raise SettingsError(f"{place}: {name} is {value!r}; give a folder of this machine.")
    if not may_lead_outside and (PurePath(value).is_absolute() or ".." in PurePath(value).parts):
        raise SettingsError(
            f"{place}: {name} is {value!r}, which leads outside the data root; give a folder below it, or set "
            f"{ENVIRONMENT_PREFIX}{name.upper()} where the processes are started."
        )


def _check(name: str, value: Any, bounds: Mapping[str, Any]) -> None:
    choices, minimum, maximum = bounds["choices"], bounds["minimum"], bounds["maximum"]
    if choices and value not in choices:
        raise SettingsError(f"settings: {name} is {value!r}; give one of {', '.join(choices)}.")
    if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
        wanted = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"
        raise SettingsError(f"settings: {name} is {value}; give {wanted}.")
