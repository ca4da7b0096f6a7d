"""The manifest of a snapshot, datapackage.json: a Frictionless Data Package with what the pipeline adds to it.

No files are opened here.
"""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from amzseg_pipeline.contracts.errors import SnapshotError, UnknownContract
from amzseg_pipeline.contracts.publish import CONTRACT_VERSION, MANIFEST_FORMAT, Provenance
from amzseg_pipeline.storage.snapshots.layout import REPAIR_ADVICE, Pointer

_TYPES = {
    "run_id": str,
    "created": str,
    "contract_version": str,
    "model_version": str,
    "code_version": str,
    "settings_hash": str,
    "currency": str | None,
    "inputs": list,
    "resources": list,
}
_RESOURCE_TYPES = {"name": str, "path": str, "bytes": int, "hash": str}
_FILE_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]*")
_VERSION = re.compile(r"[0-9]+\.[0-9]+")


def manifest_document(
    provenance: Provenance, sequence: int, *, settings_hash: str, resources: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The manifest of a snapshot that holds `resources`."""
    created = provenance.created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "profile": "data-package",
        "name": "amzseg-segments",
        "title": "Customer segments from Amazon reviews",
        "created": created,
        "format": MANIFEST_FORMAT,
        "sequence": sequence,
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


def manifest_from(content: bytes, pointer: Pointer, *, place: str) -> dict[str, Any]:
    """The manifest in `content`, the bytes of the file at `place` that `pointer` names.

    Raises SnapshotError when it is of a format or contract that this code does not know, is not the manifest of the
    pointer's snapshot, or lists a file outside the snapshot's folder.
    """
    damaged = SnapshotError(f"{place}: this is not the manifest of snapshot {pointer.name}; {REPAIR_ADVICE}.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(document, dict) or type(document.get("format")) is not int:
        raise damaged
    if document["format"] != MANIFEST_FORMAT:
        raise UnknownContract(
            f"{place}: format {document['format']} is not the one this code knows ({MANIFEST_FORMAT}); "
            "install the amzseg_pipeline that wrote it."
        )
    if not all(name in document and isinstance(document[name], kind) for name, kind in _TYPES.items()):
        raise damaged
    if not _VERSION.fullmatch(document["contract_version"]):
        raise damaged
    if document["contract_version"].split(".")[0] != CONTRACT_VERSION.split(".")[0]:
        raise UnknownContract(
            f"{place}: contract {document['contract_version']} promises other tables than {CONTRACT_VERSION}, the one "
            "this code knows; install an amzseg_pipeline of that contract, or run the pipeline with this one."
        )
    if (document.get("sequence"), document["run_id"]) != (pointer.name.sequence, pointer.run_id):
        raise damaged
    try:
        if datetime.fromisoformat(document["created"]) != pointer.name.created:
            raise damaged
    except (ValueError, TypeError):
        raise damaged from None
    for resource in document["resources"]:
        if not isinstance(resource, dict):
            raise damaged
        if not all(isinstance(resource.get(name), kind) for name, kind in _RESOURCE_TYPES.items()):
            raise damaged
        if not _FILE_NAME.fullmatch(resource["path"]):
            raise SnapshotError(
                f"{place}: {resource['path']!r} is not the name of a file in the snapshot's own folder, "
                f"and nothing else is followed; {REPAIR_ADVICE}."
            )
    return document
