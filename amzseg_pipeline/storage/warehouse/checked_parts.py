"""The parts of a table whose rows have met the contract, so that a run checks only the others.

A part never changes, so the result holds for the same code. All parts are checked again after seven days.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import narwhals as nw

from amzseg_pipeline.contracts.schema import Table
from amzseg_pipeline.storage.engines import Engine
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import content_of
from amzseg_pipeline.storage.parquet.partitions import TableParts
from amzseg_pipeline.storage.warehouse.cleaned_reviews import CleanedReviews
from amzseg_pipeline.storage.warehouse.tasks import code_hash

_MAX_AGE = timedelta(days=7)


@dataclass(frozen=True)
class PartsToCheck:
    """What a run has to check of a table: `changed`, which are all parts if `is_complete`."""

    index: TableParts | CleanedReviews
    changed: tuple[Path, ...]
    is_complete: bool
    record: Path
    checked_at: str
    """When all parts were last checked."""

    @property
    def summary(self) -> str:
        """Which parts are checked, as text."""
        total = len(self.index.parts)
        if self.is_complete:
            return f"all {total:,} parts"
        return f"{len(self.changed):,} of {total:,} parts; the others were checked by earlier runs"

    def rows(self, engine: Engine) -> nw.LazyFrame | None:
        """The rows of these parts; None without parts."""
        if not self.changed:
            return None
        if isinstance(self.index, CleanedReviews):
            return self.index.rows_of_parts(engine, self.changed)
        return engine.scan([part / self.index.file for part in self.changed])

    def save(self) -> None:
        """Records that every part meets the contract."""
        parts = [part.name for part in self.index.parts]
        with atomic_write(self.record) as temporary:
            document = {"code": code_hash(), "checked_at": self.checked_at, "parts": parts}
            temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")


def parts_to_check(
    index: TableParts | CleanedReviews, table: Table, *, warehouse: Path, now: datetime, check_all: bool
) -> PartsToCheck:
    """The parts that no earlier run has checked with this code; all parts on request and after seven days."""
    record = warehouse / f"{table.name}_checked.json"
    known, checked_at = (frozenset[str](), None) if check_all else _recorded(record)
    if checked_at is None or not timedelta(0) <= now - checked_at < _MAX_AGE:
        return PartsToCheck(index, index.parts, True, record, now.isoformat())
    changed = tuple(part for part in index.parts if part.name not in known)
    return PartsToCheck(index, changed, False, record, checked_at.isoformat())


def _recorded(record: Path) -> tuple[Collection[str], datetime | None]:
    """The recorded parts, and when all were checked; nothing if the record is missing, damaged or of other code."""
    try:
        document = json.loads(content_of(record))
        if document["code"] == code_hash():
            return frozenset(document["parts"]), datetime.fromisoformat(document["checked_at"]).astimezone(UTC)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return frozenset(), None
