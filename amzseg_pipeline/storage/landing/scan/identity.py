"""Which bytes a landing file holds: its sha256, remembered so that unchanged files are not read again.

The memory is a cache in the warehouse: damaged or missing, it is made anew. What the bytes mean is not known here.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedForNow
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, sha256_of
from amzseg_pipeline.storage.landing.guards.text import reading
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, landing_file

_FORMAT = 1


def known_sha256(files: Iterable[LandingFile], memory: Mapping[LandingFile, str]) -> dict[str, str | None]:
    """The sha256 of every file by path; None for a file that is new or changed since it was last hashed."""
    return {file.path: memory.get(file) for file in files}


def remembered_sha256(data_root: DataRoot) -> dict[LandingFile, str]:
    """The sha256 of the files hashed before, each as it was then; empty where the memory is missing or damaged."""
    try:
        memory = json.loads(_memory_file(data_root).read_bytes())
        if memory["format"] != _FORMAT:
            return {}
        return dict(_entry(row) for row in memory["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def remember(data_root: DataRoot, sha256_by_file: Mapping[LandingFile, str]) -> None:
    """Writes the memory, if it is not what is written already."""
    if remembered_sha256(data_root) == sha256_by_file:
        return
    files = [[*astuple(file), sha256] for file, sha256 in sorted(sha256_by_file.items())]
    with atomic_write(_memory_file(data_root)) as temporary:
        temporary.write_text(json.dumps({"format": _FORMAT, "files": files}), encoding="utf-8")


def sha256_now(landing: Path, file: LandingFile) -> str:
    """The sha256 of the file's bytes. RefusedForNow where it cannot be read or is no longer as listed."""
    with reading():
        sha256 = sha256_of(landing / file.path)
    check_unchanged(landing, file)
    return sha256


def check_unchanged(landing: Path, file: LandingFile) -> None:
    """RefusedForNow where the file is no longer as listed: what was read may be half old and half new."""
    with reading():
        now = landing_file(landing, file.path)
    if now != file:
        raise RefusedForNow("it changed while it was being read; run again once its delivery has ended.")


def _memory_file(data_root: DataRoot) -> Path:
    return data_root.warehouse / "landing.json"


def _entry(row: object) -> tuple[LandingFile, str]:
    match row:
        case [str(path), int(size_bytes), int(modified_ns), int(changed_ns), str(sha256)] if len(sha256) == 64:
            return LandingFile(path, size_bytes, modified_ns, changed_ns), sha256
    raise ValueError(row)
