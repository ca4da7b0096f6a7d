"""Customer segments from Amazon review exports, published as immutable snapshots.

contracts/       columns, types, units and ranges of each table; the settings.
steps/           the computations: pure functions from frame to frame.
storage/         all file access: landing zone, warehouse, published snapshots.
defs/            Dagster: assets, checks, jobs, schedules, sensors, resources.
cli/             the command line.
app/             Streamlit pages on the published snapshot.
definitions.py   what Dagster loads.

Downstream code needs `read_latest` only; it imports neither Dagster nor Streamlit.
"""

from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest

__all__ = ["Snapshot", "has_snapshot", "read_latest"]
