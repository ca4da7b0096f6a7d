"""The sha256 of landing files, cached so that unchanged files are not read again.

The cache is warehouse/landing.json. Where it is missing or damaged, files are hashed again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from pathlib import Path

from amzseg_pipeline.contracts.errors import RefusedForNow
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, sha256_of
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable
from amzseg_pipeline.storage.landing.scan.column_mapping import mapping_file
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, landing_file

_FORMAT = 1


def known_sha256(files: Iterable[LandingFile], cache: Mapping[LandingFile, str]) -> dict[str, str | None]:
    """The sha256 of every file by path; None for a file that is new or changed since it was last hashed."""
    return {file.path: cache.get(file) for file in files}


def saved_sha256(data_root: DataRoot) -> dict[LandingFile, str]:
    """The cached sha256 of each file, in the state it had when hashed; empty where the cache is missing or damaged."""
    try:
        document = json.loads(_cache_file(data_root).read_bytes())
        if document["format"] != _FORMAT:
            return {}
        return dict(_entry(row) for row in document["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def save_known_sha256(data_root: DataRoot, sha256_by_file: Mapping[LandingFile, str]) -> None:
    """Writes the cache if it changed."""
    if saved_sha256(data_root) == sha256_by_file:
        return
    files = [[*astuple(file), sha256] for file, sha256 in sorted(sha256_by_file.items())]
    with atomic_write(_cache_file(data_root)) as temporary:
        temporary.write_text(json.dumps({"format": _FORMAT, "files": files}), encoding="utf-8")


def sha256_now(landing: Path, file: LandingFile) -> str:
    """The sha256 of the file and of its mapping file. RefusedForNow where it is unreadable or changed since listed."""
    with refuse_unreadable():
        sha256 = sha256_of(landing / file.path)
        if mapping := mapping_file(landing / file.path):
            sha256 = hashlib.sha256(sha256.encode() + mapping.read_bytes()).hexdigest()
    check_unchanged(landing, file)
    return sha256


def check_unchanged(landing: Path, file: LandingFile) -> None:
    """RefusedForNow where the file changed since it was listed: old and new bytes may have been read."""
    with refuse_unreadable():
        now = landing_file(landing, file.path)
    if now != file:
        raise RefusedForNow("it changed while it was being read; run again once its delivery is complete.")


def _cache_file(data_root: DataRoot) -> Path:
    return data_root.warehouse / "landing.json"


def _entry(row: object) -> tuple[LandingFile, str]:
    match row:
        case [str(path), int(size_bytes), int(modified_ns), int(changed_ns), str(sha256)] if len(sha256) == 64:
            return LandingFile(path, size_bytes, modified_ns, changed_ns), sha256
    raise ValueError(row)
