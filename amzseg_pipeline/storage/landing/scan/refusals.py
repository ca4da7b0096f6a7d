"""The files refused for their bytes, cached so that the schedule does not start a run for the same bytes again.

Only the schedule reads this cache (warehouse/refused.json): every run checks every file itself.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.landing.scan.listing import LandingFile

_FORMAT = 2


def saved_refused_files(data_root: DataRoot) -> frozenset[LandingFile]:
    """The files the last run refused, in their state then; empty where the cache is missing or damaged."""
    try:
        document = json.loads(_cache_file(data_root).read_bytes())
        if document["format"] != _FORMAT:
            return frozenset()
        return frozenset(LandingFile(*row) for row in document["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return frozenset()


def save_refused_files(data_root: DataRoot, files: Iterable[LandingFile]) -> None:
    """Writes the cache if it changed."""
    refused = frozenset(file.content_key for file in files)
    if saved_refused_files(data_root) == refused:
        return
    with atomic_write(_cache_file(data_root)) as temporary:
        document = {"format": _FORMAT, "files": [astuple(file) for file in sorted(refused)]}
        temporary.write_text(json.dumps(document), encoding="utf-8")


def _cache_file(data_root: DataRoot) -> Path:
    return data_root.warehouse / "refused.json"
