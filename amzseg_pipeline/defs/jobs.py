"""The jobs."""

import dagster as dg

from amzseg_pipeline.defs.change_detection import SEGMENT_USERS
from amzseg_pipeline.defs.maintenance import delete_expired
from amzseg_pipeline.defs.run_record import MAX_TAG_CHARACTERS

segment_users = dg.define_asset_job(
    SEGMENT_USERS,
    selection=dg.AssetSelection.all(),
    description="From the exports in landing/ to published segments.",
    # A retry from the failed step would mix its tables with those of runs in between.
    tags={"dagster/retry_strategy": "ALL_STEPS"},
)


@dg.job(description="Deletes old runs, and plots of runs whose snapshot is deleted.")
def prune() -> None:
    """Its resources hold the run lock, so no run of segment_users is under way."""
    delete_expired()


def scheduled_run(reason: str, *, run_key: str | None = None) -> dg.RunRequest:
    """A run of segment_users as schedule and sensor start it: without the files that are still settling."""
    return dg.RunRequest(
        run_key=run_key,
        run_config={"resources": {"pipeline": {"config": {"skip_settling": True}}}},
        tags={"amzseg/changes": reason[:MAX_TAG_CHARACTERS]},
    )
