"""Which files were refused for their bytes, remembered so that the same bytes do not start a run every night.

The memory is a cache in the warehouse, for the schedule alone: a run reads every file anew. Whether a refused file
fails a run is a setting, and not decided here.
"""

import json
from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.landing.scan.listing import LandingFile

_FORMAT = 1


def remembered_refusals(data_root: DataRoot) -> frozenset[LandingFile]:
    """The files the last run refused, each as it was then; none where the memory is missing or damaged."""
    try:
        memory = json.loads(_memory_file(data_root).read_bytes())
        if memory["format"] != _FORMAT:
            return frozenset()
        return frozenset(LandingFile(*row) for row in memory["files"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return frozenset()


def remember_refusals(data_root: DataRoot, files: Iterable[LandingFile]) -> None:
    """Writes the memory, if it is not what is written already."""
    refused = frozenset(files)
    if remembered_refusals(data_root) == refused:
        return
    with atomic_write(_memory_file(data_root)) as temporary:
        document = {"format": _FORMAT, "files": [astuple(file) for file in sorted(refused)]}
        temporary.write_text(json.dumps(document), encoding="utf-8")


def _memory_file(data_root: DataRoot) -> Path:
    return data_root.warehouse / "refused.json"
