"""The optional last asset: the published snapshot in a database. It exists only where AMZSEG_DELIVER_URL is set."""

import os
import time

import dagster as dg

from amzseg_pipeline.contracts.errors import SettingsError
from amzseg_pipeline.contracts.publish import PUBLISHED_TABLES
from amzseg_pipeline.defs.assets.publish import published_segments
from amzseg_pipeline.defs.resources import PipelineResource
from amzseg_pipeline.defs.run_record import tag_run
from amzseg_pipeline.defs.ui_metadata import document_asset_arguments
from amzseg_pipeline.storage.serving.delivery import URL_VARIABLE, deliver, delivery_url, shown_address
from amzseg_pipeline.storage.snapshots import read_latest


@dg.asset(
    **document_asset_arguments(
        f"The published snapshot in the database of {URL_VARIABLE}, for downstream teams: tables, views current_*. A "
        "failed delivery unpublishes nothing; the next scheduled run delivers again. Can be materialized alone.",
        stage="publish",
        kinds={"sql"},
    ),
    deps=[published_segments],
)
def delivered_segments(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult:
    """Replaces the tables in one transaction."""
    url = delivery_url()
    if url is None:
        raise SettingsError(f"{URL_VARIABLE} is not set; set it to the address of the database.")
    snapshot = read_latest(pipeline.data_root.root)
    started = time.monotonic()
    deliver(snapshot, url)
    outcome = f"delivered snapshot {snapshot.sequence} to {shown_address(url)}"
    context.log.info(outcome)
    if context.run.asset_selection and published_segments.key not in context.run.asset_selection:
        tag_run(context.instance, context.run.run_id, outcome=outcome)
    return dg.MaterializeResult(
        metadata={
            "snapshot": snapshot.sequence,
            "database": shown_address(url),
            "seconds": round(time.monotonic() - started, 1),
            **{f"rows of {table.name}": snapshot.rows(table.name) for table in PUBLISHED_TABLES},
        }
    )


DELIVERY_ASSETS = [delivered_segments] if os.environ.get(URL_VARIABLE) else []
"""Empty where no database is named, so that the asset graph does not show an asset that cannot run."""
