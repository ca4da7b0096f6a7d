"""Whether there is anything new since the last published snapshot, in words."""

from collections.abc import Collection, Mapping
from typing import Any

_NAMED_FILES = 3


def changes_since(
    manifest: Mapping[str, Any] | None,
    *,
    batches: Mapping[str, str | None],
    code_version: str,
    settings_hash: str,
    user_key_id: str | None = None,
) -> tuple[str, ...]:
    """Sentences on what differs from inputs, code, settings and key of a snapshot's manifest; empty when nothing does.

    `batches` maps the path of each file of the landing zone to its sha256, None where it is not known yet. Content
    counts and names do not: a file that was renamed or delivered twice is no change.
    """
    if manifest is None:
        return ("nothing is published yet",)
    path_by_sha256 = {batch["sha256"]: batch["path"] for batch in manifest["inputs"]}
    paths = {path for batch in manifest["inputs"] for path in (batch["path"], *batch.get("also_at", ()))}
    present = set(batches.values())
    differing = {path for path, sha256 in batches.items() if sha256 not in path_by_sha256}
    missing = {path for sha256, path in path_by_sha256.items() if sha256 not in present}
    found = [
        f"{kind}: {names(sorted(files))}"
        for kind, files in (
            ("new", differing - paths),
            ("changed or touched", differing & paths),
            ("gone", missing - differing),
        )
        if files
    ]
    if manifest["code_version"] != code_version:
        found.append("the code is of another version")
    if manifest["settings_hash"] != settings_hash:
        found.append("the settings differ")
    if manifest.get("user_key_id") != user_key_id:
        found.append("the key of users' ids is another one")
    return tuple(found)


def unfinished_delivery(
    manifest: Mapping[str, Any] | None, *, batches: Mapping[str, str | None], settling: Collection[str]
) -> str:
    """Why to wait although something differs; empty when there is no reason to.

    A file that is still settling may be the new form of one that is gone: a run between the two would publish a
    snapshot without either. `settling` are the paths of the files that are too young to be read.
    """
    if manifest is None or not settling:
        return ""
    present = set(batches.values())
    gone = sorted(batch["path"] for batch in manifest["inputs"] if batch["sha256"] not in present)
    if not gone:
        return ""
    return f"a delivery is under way: {names(gone)} gone or changed while {names(sorted(settling))} is still settling"


def names(paths: Collection[str]) -> str:
    """The first paths, and how many more there are."""
    named = ", ".join(list(paths)[:_NAMED_FILES])
    more = len(paths) - _NAMED_FILES
    return f"{named} and {more:,} more" if more > 0 else named
