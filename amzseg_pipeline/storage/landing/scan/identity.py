"""The sha256 of landing files, cached so that unchanged files are not read again.

The cache is warehouse/landing.json. Where it is missing or damaged, files are hashed again. In a store, an object is
known by its key, size and ETag.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from amzseg_pipeline.contracts.errors import RefusedForNow
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write, sha256_of
from amzseg_pipeline.storage.landing.guards.text import refuse_unreadable
from amzseg_pipeline.storage.landing.scan.column_mapping import mapping_file
from amzseg_pipeline.storage.landing.scan.listing import LandingFile, landing_file

_FORMAT = 2


def known_sha256(files: Iterable[LandingFile], cache: Mapping[LandingFile, str]) -> dict[str, str | None]:
    """The sha256 of every file by path; None for a file that is new or changed since it was last hashed."""
    return {file.path: cache.get(file.content_key) for file in files}


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
    known = {file.content_key: sha256 for file, sha256 in sha256_by_file.items()}
    if saved_sha256(data_root) == known:
        return
    files = [[*astuple(file), sha256] for file, sha256 in sorted(known.items())]
    with atomic_write(_cache_file(data_root)) as temporary:
        temporary.write_text(json.dumps({"format": _FORMAT, "files": files}), encoding="utf-8")


def sha256_now(landing: Path, file: LandingFile) -> str:
    """The sha256 of the file and of its mapping file. RefusedForNow where it is unreadable or changed since listed."""
    with refuse_unreadable():
        sha256 = with_mapping(sha256_of(landing / file.path), landing / file.path)
    check_unchanged(landing, file)
    return sha256


def with_mapping(sha256: str, export: Path) -> str:
    """The sha256 of an export's bytes, combined with its mapping file if it has one."""
    mapping = mapping_file(export)
    return hashlib.sha256(sha256.encode() + mapping.read_bytes()).hexdigest() if mapping else sha256


def check_unchanged(landing: Path, file: LandingFile) -> None:
    """RefusedForNow where the file changed since it was listed: old and new bytes may have been read."""
    with refuse_unreadable():
        now = landing_file(landing, file.path)
    if now != file:
        raise RefusedForNow("it changed while it was being read; run again once its delivery is complete.")


def _cache_file(data_root: DataRoot) -> Path:
    return data_root.warehouse / "landing.json"


def _entry(row: Any) -> tuple[LandingFile, str]:
    match row:
        case [str(), int(), int(), int(), str(), str(sha256)] if len(sha256) == 64:
            return LandingFile(*row[:-1]), sha256
    raise ValueError(row)
