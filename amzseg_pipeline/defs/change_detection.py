"""Compares landing zone, code and settings with the latest snapshot, and decides whether a run is needed.

steps/changes.py defines what counts as a change. The published snapshot is the only state; the warehouse is a cache.
"""

import hashlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from amzseg_pipeline.contracts.errors import PipelineError
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.contracts.reviews import RAW_REVIEWS
from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.steps import segments
from amzseg_pipeline.steps.changes import changes_since, names, unfinished_delivery
from amzseg_pipeline.steps.pseudonyms import check_user_ids
from amzseg_pipeline.storage import landing, snapshots
from amzseg_pipeline.storage.data_root import DataRoot
from amzseg_pipeline.storage.previous_run import previous_run
from amzseg_pipeline.storage.serving.delivery import delivery_url, undelivered_snapshot
from amzseg_pipeline.storage.warehouse.catalog import has_table

DELIVERY_ASSET = "delivered_segments"

_MAX_LOGGED_FILES = 20
_NOT_STARTED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
_MAX_START_TIME = timedelta(minutes=15)


@dataclass(frozen=True)
class SnapshotChanges:
    """What differs from the latest snapshot, and why to wait although something differs (empty: no reason).

    `sequence` is the number of that snapshot, None if nothing is published; `known_sha256` are its batches.
    """

    sequence: int | None
    known_sha256: frozenset[str]
    changes: tuple[str, ...]
    reason_to_wait: str

    @property
    def reason_to_skip(self) -> str:
        """Why no run is needed; empty if one is."""
        return self.reason_to_wait or ("" if self.changes else f"nothing changed since snapshot {self.sequence}")


@dataclass(frozen=True)
class RunDecision:
    """Whether to start a run, and why or why not.

    `is_up_to_date` means that everything is published already. `state_key` differs for every state of landing zone,
    code and settings. `undelivered` is why the published snapshot should be delivered to the database, in a run of its
    own: it must not wait for exports that cannot be read. It is empty if no delivery is missing.
    """

    reason: str
    starts_run: bool = False
    is_up_to_date: bool = False
    state_key: str = ""
    undelivered: str = ""


def check_request(pipeline: PipelineResource) -> None:
    """Raises, before anything is read, if the model to approve is not pending or the key of user ids changed."""
    manifest = snapshots.latest_manifest(pipeline.data_root.published)
    if pipeline.approve:
        last = previous_run(pipeline.data_root)
        segments.approved_report(pipeline.approve, last.champion, last.promotion_state)
    last_key_id = manifest.get("user_key_id") if manifest else None
    check_user_ids(pipeline.resolved_settings.user_ids, pipeline.user_key, last_key_id=last_key_id)


def raw_review_changes(pipeline: PipelineResource, raw: landing.RawReviews) -> SnapshotChanges:
    """How exports that a run has just read differ from the latest snapshot."""
    batches = {batch.path: batch.sha256 for batch in raw.batches}
    return snapshot_changes(pipeline, batches=batches, settling=[file.path for file in raw.skipped if file.is_settling])


def snapshot_changes(
    pipeline: PipelineResource, *, batches: Mapping[str, str | None], settling: Collection[str]
) -> SnapshotChanges:
    """How landing zone, code and settings differ from the latest snapshot.

    Args:
        pipeline: the configuration of the run.
        batches: path of each export -> its sha256, None if it is not known yet.
        settling: paths of files that are too young to be read.
    """
    data_root = pipeline.data_root
    manifest = snapshots.latest_manifest(data_root.published)
    return SnapshotChanges(
        sequence=None if manifest is None else int(manifest["sequence"]),
        known_sha256=frozenset(batch["sha256"] for batch in manifest["inputs"]) if manifest else frozenset(),
        changes=_changes(pipeline, manifest, batches),
        reason_to_wait=unfinished_delivery(manifest, batches=batches, settling=settling),
    )


def _changes(
    pipeline: PipelineResource, manifest: Mapping[str, Any] | None, batches: Mapping[str, str | None]
) -> tuple[str, ...]:
    data_root = pipeline.data_root
    has_warehouse = _has_warehouse(data_root)
    if manifest is not None and not has_warehouse:
        return (f"{data_root.warehouse} is missing or incomplete and is rebuilt",)
    if manifest is None and has_warehouse:
        return (f"{data_root.published} has no snapshot although a run wrote the warehouse: lost, or never published",)
    return changes_since(
        manifest,
        batches=batches,
        code_version=CODE_VERSION,
        settings_hash=pipeline.resolved_settings.result_hash,
        user_key_id=pipeline.user_key.id if pipeline.user_key else None,
    )


def _has_warehouse(data_root: DataRoot) -> bool:
    return all(has_table(data_root.warehouse, table.name) for table in (RAW_REVIEWS, *PUBLISHED_TABLES))


def run_decision(pipeline: PipelineResource, instance: dg.DagsterInstance, *, log: logging.Logger) -> RunDecision:
    """Whether to start a run; also if the comparison fails, because a failed run sends an alert and a tick does not."""
    try:
        data_root, settings = pipeline.data_root, pipeline.resolved_settings
        if _is_locked(FileLock(data_root.lock_file)):
            return RunDecision("a run is under way; the next tick compares again")
        if _is_starting(instance, now=pipeline.now):
            return RunDecision("a run is about to start; the next tick compares again")
        listing = landing.landing_listing(
            data_root.landing, now=pipeline.now.timestamp(), settle_seconds=settings.settle_seconds
        )
        skips_refused = settings.on_refused_file == "skip"
        batches = landing.known_contents(data_root, listing, without_refused=skips_refused)
        settling = [file.path for file in listing.skipped if file.is_settling]
        found = snapshot_changes(pipeline, batches=batches, settling=settling)
        undelivered = undelivered_snapshot(data_root.published, delivery_url())
    except (PipelineError, OSError) as error:
        return RunDecision(f"cannot be compared: {error}", starts_run=True, state_key=str(error))
    for file in listing.skipped[:_MAX_LOGGED_FILES]:
        log.info(f"{file.path}: {file.reason}")
    unreadable = tuple(refused.path for refused in listing.refused)
    skipped = [file.path for file in listing.files if file.path not in batches]
    if skips_refused:
        skipped, unreadable = sorted([*skipped, *unreadable]), ()
    if not listing.files and not unreadable:
        return RunDecision(_nothing_to_read(data_root, found, settling=settling), undelivered=undelivered)
    if found.reason_to_wait:
        return RunDecision(found.reason_to_wait, undelivered=undelivered)
    changes = [*found.changes, *([f"cannot be read: {names(unreadable)}"] if unreadable else [])]
    if changes:
        state_key = hashlib.sha256(repr((changes, listing.files)).encode()).hexdigest()
        return RunDecision("; ".join(changes), starts_run=True, state_key=state_key, undelivered=undelivered)
    unread = (("still settling", settling), ("refused and skipped", skipped))
    details = "".join(f"; {why}: {names(paths)}" for why, paths in unread if paths)
    return RunDecision(f"{found.reason_to_skip}{details}", is_up_to_date=not undelivered, undelivered=undelivered)


def _nothing_to_read(data_root: DataRoot, found: SnapshotChanges, *, settling: list[str]) -> str:
    if settling:
        return f"no export to read in {data_root.landing} yet; still settling: {names(settling)}"
    if found.sequence is not None:
        return f"no export to read in {data_root.landing}, but snapshot {found.sequence} had some; is it mounted?"
    return f"no export to read in {data_root.landing}; put one there"


def _is_starting(instance: dg.DagsterInstance, *, now: datetime) -> bool:
    """Whether a run is about to start. A run that has waited longer than `_MAX_START_TIME` is ignored."""
    filters = dg.RunsFilter(statuses=_NOT_STARTED, created_after=now - _MAX_START_TIME)
    return bool(instance.get_runs(filters, limit=1))


def _is_locked(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError) as error:
        return isinstance(error, Timeout)
    lock.release()
    return False
