"""The job: everything from the exports to the published segments.

When it runs stands in nightly.py.
"""

import dagster as dg

segment_users = dg.define_asset_job(
    "segment_users",
    selection=dg.AssetSelection.all(),
    description="From the exports in landing/ to published segments.",
    # A retry that went on from where a crashed run stopped would mix its tables with those of runs in between.
    tags={"dagster/retry_strategy": "ALL_STEPS"},
)
