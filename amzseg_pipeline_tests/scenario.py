"""The pipeline on real files: a data root with exports, and runs of the job as the schedule starts them."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from filelock import FileLock

from amzseg_pipeline.definitions import defs as published_defs
from amzseg_pipeline.storage.data_root import DataRoot, data_root_at

_QUIET = dg.colored_console_logger.configured({"log_level": "CRITICAL"})
defs = dg.Definitions.merge(published_defs, dg.Definitions(loggers={"console": _QUIET}))

QUICK: Mapping[str, Any] = {
    "n_init": 1,
    "k_min": 2,
    "k_max": 4,
    "training_users": 2_000,
    "plots": "off",
    "prediction_splits": 2,
    "jaccard_bootstraps": 2,
}
"""Settings with which a run takes a second."""

NON_CRITICAL = {"eda_reviews", "eda_users", "eda_segments", "eda_history", "algorithm_comparison"}

SAMPLE = Path(__file__).parent.parent / "data" / "landing" / "sample_amazon.csv"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first worker which needs it makes; tests in all workers read or copy it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    complete = folder.with_suffix(".complete")
    with FileLock(folder.with_suffix(".lock")):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            complete.touch()
    return folder


def data_root_with(root: Path, **exports: bytes) -> DataRoot:
    """A data root whose landing zone holds `<name>.csv` for every keyword."""
    data_root = data_root_at(root)
    data_root.landing.mkdir(parents=True, exist_ok=True)
    for name, content in exports.items():
        (data_root.landing / f"{name}.csv").write_bytes(content)
    return data_root


def run(
    data_root: DataRoot,
    *,
    instance: dg.DagsterInstance | None = None,
    settings: Mapping[str, Any] = QUICK,
    now: datetime | None = None,
    force: bool = False,
    train: bool = False,
    approve: str = "",
    skip_settling: bool = False,
    only: Sequence[str] | None = None,
) -> dg.ExecuteInProcessResult:
    """The result of one run of the job; failures are in the result, not raised.

    `skip_settling` is set in runs that the schedule starts; `only` names the assets to materialize. Without plots the
    default leaves out the assets that no other asset reads (NON_CRITICAL).
    """
    config: dict[str, Any] = {"root": str(data_root.root), "settings": dict(settings), "skip_settling": skip_settling}
    config |= {"force": force, "train": train, "approve": approve}
    if now is not None:
        config["run_at"] = now.isoformat()
    with nullcontext(instance) if instance else quick_instance() as used:
        job = _critical_job() if only is None and settings.get("plots") == "off" else _complete_job()
        return job.execute_in_process(
            run_config=config,
            instance=used,
            asset_selection=None if only is None else [dg.AssetKey(name) for name in only],
            raise_on_error=False,
        )


@contextmanager
def quick_instance() -> Iterator[dg.DagsterInstance]:
    """An ephemeral instance with one connection to each of its databases; Dagster opens one per event."""
    with dg.DagsterInstance.ephemeral() as instance:
        for storage, name in ((instance.event_log_storage, "_connect"), (instance.run_storage, "connect")):
            setattr(storage, name, partial(_transaction, storage._held_conn))  # type: ignore[attr-defined]
        yield instance


@contextmanager
def _transaction(connection: Any) -> Iterator[Any]:
    with connection.begin():
        yield connection


def _complete_job() -> dg.JobDefinition:
    return defs.resolve_job_def("segment_users")


@cache
def _critical_job() -> dg.JobDefinition:
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    return _complete_job().get_subset(asset_selection={key for key in keys if key.path[-1] not in NON_CRITICAL})


def published(data_root: DataRoot, **options: Any) -> DataRoot:
    """The data root after a run, which must succeed; `options` are those of `run`."""
    result = run(data_root, **options)
    assert result.success, failure(result)
    return data_root


def materialised(result: dg.ExecuteInProcessResult) -> set[str]:
    """The names of the assets that the run materialized."""
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The messages of the first failed step and its causes; empty if none failed."""
    for event in result.all_events:
        if event.is_step_failure:
            error, messages = event.step_failure_data.error, []
            while error is not None:
                messages.append(error.message)
                error = error.cause
            return "".join(messages)
    return ""
