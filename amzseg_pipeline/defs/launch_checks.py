"""Run config of the jobs, checked before launch: a mistake is refused in the launchpad and starts no run."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from amzseg_pipeline.contracts.errors import SnapshotError
from amzseg_pipeline.contracts.settings import settings_from
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.steps import segments
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.erasure.request import erasure_request
from amzseg_pipeline.storage.previous_run import previous_run
from amzseg_pipeline.storage.snapshots.layout import snapshot_names

_ROOT = dg.Field(str, is_required=False, description="data root; empty uses AMZSEG_DATA, else data/")

_CONSOLE: Mapping[str, Any] = {"loggers": {"console": {}}}
"""Config of the console log; without it Dagster ignores the logger that the command line sets."""


def require_valid_run(config: Mapping[str, Any]) -> None:
    """Checks the config of segment_users.

    Raises:
        SettingsError: a setting is unknown or out of range.
        ModelError: the model to approve is not pending.
    """
    given = {name: value for name, value in (config.get("settings") or {}).items() if value is not None}
    settings_from(file_values={}, file_name="", environment={}, overrides=given)
    if config.get("approve"):
        require_pending(_data_root(config), str(config["approve"]))


def require_pending(data_root: DataRoot, version: str) -> None:
    """Raises ModelError unless this model is pending approval."""
    last = previous_run(data_root)
    segments.approved_report(version, last.champion, last.promotion_state)


def require_snapshot(data_root: DataRoot, sequence: int) -> None:
    """Raises SnapshotError, listing the snapshots, unless there is one of this number."""
    known = [name.sequence for name in snapshot_names(data_root.published)]
    if sequence not in known:
        listed = ", ".join(map(str, known)) or "none"
        raise SnapshotError(f"{data_root.published}: there is no snapshot {sequence}; there are: {listed}.")


def _data_root(config: Mapping[str, Any]) -> DataRoot:
    return PipelineResource(root=config.get("root") or "").data_root


def _pipeline_config(config: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """Run config of the resource `pipeline`: the data root of `config`, if any, and `values`."""
    root = {"root": config["root"]} if config.get("root") else {}
    return {"pipeline": {"config": {**root, **values}}}


def _run_config(config: Mapping[str, Any]) -> dict[str, Any]:
    require_valid_run(config)
    return {"resources": {"pipeline": {"config": dict(config)}}, **_CONSOLE}


def _approval_config(config: Mapping[str, Any]) -> dict[str, Any]:
    version = config["model_version"]
    require_pending(_data_root(config), version)
    return {"resources": _pipeline_config(config, approve=version), **_CONSOLE}


def _rollback_config(config: Mapping[str, Any]) -> dict[str, Any]:
    require_snapshot(_data_root(config), config["snapshot"])
    return {
        "resources": _pipeline_config(config),
        **_CONSOLE,
        "ops": {"restore_snapshot": {"config": {"snapshot": config["snapshot"]}}},
    }


def _erasure_config(config: Mapping[str, Any]) -> dict[str, Any]:
    erasure_request(_data_root(config), config["request_file"])
    return {
        "resources": _pipeline_config(config),
        **_CONSOLE,
        "ops": {"erase_requested_user": {"config": {"request_file": config["request_file"]}}},
    }


run_config = dg.ConfigMapping(
    _run_config, config_schema=PipelineResource.to_fields_dict(), receive_processed_config_values=False
)
approval_config = dg.ConfigMapping(
    _approval_config,
    config_schema={"model_version": dg.Field(str, description="version of the pending model"), "root": _ROOT},
)
rollback_config = dg.ConfigMapping(
    _rollback_config,
    config_schema={"snapshot": dg.Field(int, description="number of the snapshot to restore"), "root": _ROOT},
)
erasure_config = dg.ConfigMapping(
    _erasure_config,
    config_schema={
        "request_file": dg.Field(
            str, description="name of a file in erase_requests/ of the data root that contains the user's id"
        ),
        "root": _ROOT,
    },
)
