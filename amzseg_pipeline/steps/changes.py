"""Changes since the latest published snapshot."""

from collections.abc import Collection, Mapping
from typing import Any

_MAX_NAMED_FILES = 3


def changes_since(
    manifest: Mapping[str, Any] | None,
    *,
    batches: Mapping[str, str | None],
    code_version: str,
    settings_hash: str,
    user_key_id: str | None = None,
) -> tuple[str, ...]:
    """One message per difference from a snapshot's manifest: inputs, code, settings, user key; empty without changes.

    A renamed file or a second copy of a file is no change: only contents count.

    Args:
        manifest: manifest of the latest snapshot, None without one.
        batches: path of each file in the landing zone -> sha256, None if it is not known yet.
        code_version: version of the running code.
        settings_hash: hash of the settings that change the result.
        user_key_id: id of the key for pseudonyms, None without a key.
    """
    if manifest is None:
        return ("nothing is published yet",)
    path_by_sha256 = {batch["sha256"]: batch["path"] for batch in manifest["inputs"]}
    paths = {path for batch in manifest["inputs"] for path in (batch["path"], *batch.get("also_at", ()))}
    present = set(batches.values())
    differing = {path for path, sha256 in batches.items() if sha256 not in path_by_sha256}
    missing = {path for sha256, path in path_by_sha256.items() if sha256 not in present}
    found = [
        f"{change}: {names(sorted(files))}"
        for change, files in (
            ("new", differing - paths),
            ("changed or touched", differing & paths),
            ("removed", missing - differing),
        )
        if files
    ]
    if manifest["code_version"] != code_version:
        found.append("the code version differs")
    if manifest["settings_hash"] != settings_hash:
        found.append("the settings differ")
    if manifest.get("user_key_id") != user_key_id:
        found.append("the user key differs")
    return tuple(found)


def unfinished_delivery(
    manifest: Mapping[str, Any] | None, *, batches: Mapping[str, str | None], settling: Collection[str]
) -> str:
    """Why a run should wait despite changes; empty if it should not.

    A settling file may replace a removed one: a run in between would publish a snapshot without either. `settling` are
    the paths of files that were modified too recently to be read.
    """
    if manifest is None or not settling:
        return ""
    present = set(batches.values())
    removed = sorted(batch["path"] for batch in manifest["inputs"] if batch["sha256"] not in present)
    if not removed:
        return ""
    return f"upload in progress: {names(removed)} removed or changed while {names(sorted(settling))} is still settling"


def names(paths: Collection[str]) -> str:
    """The first three paths and the number of others."""
    named = ", ".join(list(paths)[:_MAX_NAMED_FILES])
    more = len(paths) - _MAX_NAMED_FILES
    return f"{named} and {more:,} more" if more > 0 else named
