"""What the UI and the log say of the landing zone: which files are new, which were left or refused, and why.

Nothing is read here.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from amzseg_pipeline.storage.landing import RawReviews

_SHOWN_FILES = 50


def landing_lines(raw: RawReviews) -> list[str]:
    """A line for each file that was not read."""
    lines = [f"refused: {file.path}: {file.reason}" for file in raw.refused]
    return _first(lines + [f"left: {file.path}: {file.reason}" for file in raw.left])


def landing_metadata(raw: RawReviews, *, known: frozenset[str]) -> dict[str, Any]:
    """The metadata of raw_reviews; `known` are the sha256 of the batches in the last snapshot."""
    is_new = {batch.path: batch.sha256 not in known for batch in raw.batches}
    files = [
        f"| {batch.path.replace('|', chr(92) + '|')} | {'new' if is_new[batch.path] else 'as before'} | {batch.format} "
        f"| {batch.size_bytes:,} | {batch.rows:,} |"
        for batch in sorted(raw.batches, key=lambda batch: (not is_new[batch.path], batch.path))
    ]
    head = ["| file | content | format | bytes | rows |", "|---|---|---|---:|---:|"]
    return {
        "files": dg.MetadataValue.md("\n".join([*head, *_first(files)])),
        "refused": dg.MetadataValue.md(_list([f"{file.path}: {file.reason}" for file in raw.refused])),
        "left": dg.MetadataValue.md(_list([f"{file.path}: {file.reason}" for file in raw.left])),
        "files_read": len(raw.batches),
        "files_new": sum(is_new.values()),
        "files_refused": len(raw.refused),
        "files_left": len(raw.left),
        "records": raw.records,
        "read_errors": raw.read_errors,
        "currency": raw.currency or "none",
    }


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in _first(lines)) or "none"


def _first(lines: Sequence[str]) -> list[str]:
    """The lines that are shown, and how many more there are."""
    more = len(lines) - _SHOWN_FILES
    return [*lines[:_SHOWN_FILES], *([f"{more:,} more"] if more > 0 else [])]
