"""Whether there is anything new since the last published snapshot."""

from collections.abc import Mapping
from typing import Any


def changes_since(
    manifest: Mapping[str, Any] | None,
    *,
    batches: Mapping[str, str | None],
    code_version: str,
    settings_hash: str,
) -> tuple[str, ...]:
    """Sentences on what differs from the inputs, code and settings of a snapshot's manifest; empty when nothing does.

    `batches` maps the path of each file of the landing zone to its sha256, None where it is not known yet.
    """
    if manifest is None:
        return ("nothing is published yet",)
    known = {batch["sha256"]: batch["path"] for batch in manifest["inputs"]}
    present = set(batches.values())
    found = [
        *(f"{path} is new or changed" for path, sha256 in sorted(batches.items()) if sha256 not in known),
        *(f"{path} is gone or changed" for sha256, path in sorted(known.items()) if sha256 not in present),
    ]
    if manifest["code_version"] != code_version:
        found.append("the code is of another version")
    if manifest["settings_hash"] != settings_hash:
        found.append("the settings differ")
    return tuple(found)
