"""The jobs. Each refuses a wrong run config before it is launched, see launch_checks.py."""

import dagster as dg

from amzseg_pipeline.defs.change_detection import DELIVERY_ASSET, RunDecision
from amzseg_pipeline.defs.launch_checks import approval_config, erasure_config, rollback_config, run_config
from amzseg_pipeline.defs.maintenance import delete_expired, erase_requested_user, restore_snapshot
from amzseg_pipeline.defs.run_record import MAX_TAG_CHARACTERS

# A retry from the failed step would mix its tables with those of runs in between.
_RETRY_EVERYTHING = {"dagster/retry_strategy": "ALL_STEPS"}

segment_users = dg.define_asset_job(
    "segment_users",
    selection=dg.AssetSelection.all(),
    config=run_config,
    description="From the exports in landing/ to published segments. Needs no config; "
    "settings, train and force are optional.",
    tags=_RETRY_EVERYTHING,
)

approve_pending_model = dg.define_asset_job(
    "approve_pending_model",
    selection=dg.AssetSelection.all(),
    config=approval_config,
    description="Runs segment_users and promotes the pending model. Config: its version, which the check "
    "no_model_pending shows.",
    tags=_RETRY_EVERYTHING,
)


@dg.job(
    config=rollback_config,
    description="Shows readers an earlier snapshot again; the next run continues from it. Config: its number.",
)
def rollback() -> None:
    """Restores a snapshot."""
    restore_snapshot()


@dg.job(
    config=erasure_config,
    description="Erases a user from snapshots, warehouse and plots. Config: a file in erase_requests/ with the user's "
    "id, because Dagster stores the config of runs; the file is deleted. Remove the user from landing/ first.",
)
def erase_user() -> None:
    """Erases a user."""
    erase_requested_user()


@dg.job(description="Deletes old runs, and plots of runs whose snapshot is deleted. Needs no config.")
def prune() -> None:
    """Its resources hold the run lock, so no run of segment_users is under way."""
    delete_expired()


def scheduled_runs(decision: RunDecision, *, once: bool = False) -> list[dg.RunRequest]:
    """Runs of segment_users as schedule and sensor start them: without the files that are still settling.

    With `once` Dagster starts no second run for the same state.
    """
    deliveries = [(decision.undelivered, decision.undelivered, [dg.AssetKey(DELIVERY_ASSET)])]
    complete = [(decision.reason, decision.state_key, None)]
    requests = (deliveries if decision.undelivered else []) + (complete if decision.starts_run else [])
    return [
        dg.RunRequest(
            run_key=key if once else None,
            run_config={"skip_settling": True},
            tags={"amzseg/changes": reason[:MAX_TAG_CHARACTERS]},
            asset_selection=assets,
        )
        for reason, key, assets in requests
    ]
