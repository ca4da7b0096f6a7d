"""The manifest of a snapshot, datapackage.json: a Frictionless Data Package with the pipeline's own keys."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import Field
from typing_extensions import TypedDict

from amzseg_pipeline.contracts.documents import parsed_json
from amzseg_pipeline.contracts.errors import SnapshotError, UnknownContract
from amzseg_pipeline.contracts.publish import CONTRACT_VERSION, MANIFEST_FORMAT, Provenance
from amzseg_pipeline.storage.snapshots.layout import REPAIR_ADVICE, Pointer, require_format

_FILE_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]*")


class _Resource(TypedDict):
    name: str
    path: str
    bytes: int
    hash: str


class _Manifest(TypedDict):
    sequence: int
    revision: int
    predecessor: int | None
    run_id: str
    created: str
    contract_version: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+$")]
    model_version: str
    code_version: str
    settings_hash: str
    currency: str | None
    user_key_id: str | None
    inputs: list[dict[str, Any]]
    resources: list[_Resource]


def manifest_document(
    provenance: Provenance, sequence: int, *, settings_hash: str, resources: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The manifest of a snapshot that contains `resources`."""
    return {
        "profile": "data-package",
        "name": "amzseg-segments",
        "title": "Customer segments from Amazon reviews",
        "created": _utc_text(provenance.created),
        "format": MANIFEST_FORMAT,
        "sequence": sequence,
        "revision": 0,
        "predecessor": provenance.predecessor,
        "run_id": provenance.run_id,
        "contract_version": CONTRACT_VERSION,
        "model_version": provenance.model_version,
        "code_version": provenance.code_version,
        "settings_hash": settings_hash,
        "currency": provenance.currency,
        "user_key_id": provenance.user_key_id,
        "inputs": [dict(batch) for batch in provenance.inputs],
        "resources": list(resources),
    }


def manifest_from(content: bytes, pointer: Pointer, *, path: Path) -> dict[str, Any]:
    """The manifest in `content`, the bytes of the file at `path` that `pointer` names.

    Keys that this version does not know are kept: a minor version of the contract may add them. Raises SnapshotError
    when it is of a format or contract that this version does not read, is not the manifest of the pointer's snapshot,
    or lists a file outside the snapshot's folder.
    """
    location = f"{path}: this is not the manifest of snapshot {pointer.name}"
    require_format(content, MANIFEST_FORMAT, path=path, location=location)
    manifest = parsed_json(content, _Manifest, location=location, error=SnapshotError, fix=REPAIR_ADVICE, extra="allow")
    if manifest["contract_version"].split(".")[0] != CONTRACT_VERSION.split(".")[0]:
        raise UnknownContract(
            f"{path}: contract {manifest['contract_version']} has other tables than {CONTRACT_VERSION}, which this "
            "version reads; install an amzseg_pipeline of that contract, or run the pipeline with this one."
        )
    identity = pointer.name.sequence, pointer.name.revision, pointer.run_id
    if (manifest["sequence"], manifest["revision"], manifest["run_id"]) != identity:
        raise SnapshotError(f"{location}: its sequence, revision or run_id is another; {REPAIR_ADVICE}.")
    if manifest["created"] != _utc_text(pointer.name.created):
        raise SnapshotError(f"{location}: created is {manifest['created']!r}; {REPAIR_ADVICE}.")
    for resource in manifest["resources"]:
        if not _FILE_NAME.fullmatch(resource["path"]):
            raise SnapshotError(
                f"{path}: {resource['path']!r} is not the name of a file in the snapshot's own folder, "
                f"and no other path is followed; {REPAIR_ADVICE}."
            )
    return cast(dict[str, Any], manifest)


def _utc_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
