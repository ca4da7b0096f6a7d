"""The nightly run: when it starts, and why it does not.

What counts as a change stands in steps/changes.py.
"""

import os

import dagster as dg
from filelock import FileLock, Timeout

from amzseg_pipeline.defs.code_versions import CODE_VERSION
from amzseg_pipeline.defs.resources import DataHome
from amzseg_pipeline.steps.changes import changes_since
from amzseg_pipeline.storage import landing, snapshots

segment_users = dg.define_asset_job(
    "segment_users",
    selection=dg.AssetSelection.all(),
    description="From the exports in landing/ to published segments.",
)


@dg.schedule(
    job=segment_users,
    cron_schedule=os.environ.get("AMZSEG_CRON", "0 2 * * *"),
    execution_timezone=os.environ.get("AMZSEG_TIMEZONE", "UTC"),
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Segments users again when exports, code or settings differ from those of the last published snapshot.",
)
def nightly(context: dg.ScheduleEvaluationContext, data_home: DataHome) -> dg.RunRequest | dg.SkipReason:
    """A run, or the reason in words why none is needed."""
    home, settings = data_home.home, data_home.values
    if _held(FileLock(home.lock_file)):
        return dg.SkipReason("a run is under way; the next night compares again")
    manifest = snapshots.latest_manifest(home.published)
    listing = landing.landing_listing(
        home.landing, now=data_home.time.timestamp(), settle_seconds=settings.settle_seconds
    )
    for left in listing.left:
        context.log.info(f"{left.path}: {left.reason}")
    if not listing.files:
        return dg.SkipReason(f"no export to read in {home.landing}")
    changes = changes_since(
        manifest,
        batches=landing.known_contents(home, listing),
        code_version=CODE_VERSION,
        settings_hash=settings.result_hash,
    )
    if not changes:
        return dg.SkipReason(f"nothing changed since snapshot {manifest['sequence'] if manifest else 0}")
    return dg.RunRequest(tags={"amzseg/changes": "; ".join(changes)[:200]})


def _held(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except (Timeout, FileNotFoundError) as error:
        return isinstance(error, Timeout)
    lock.release()
    return False
