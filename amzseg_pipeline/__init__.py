"""Customer segments from Amazon review exports that stay true night after night.

contracts/       WHAT each table promises: columns, types, units, ranges; the settings. No logic, no I/O.
steps/           HOW: pure functions, frame in, frame out.
storage/         WHERE: the only code that opens files: landing zone, tables, published snapshots.
defs/            WHEN: Dagster's assets, checks, schedules.
app/             SHOW: Streamlit pages over what is published.
definitions.py   the table of contents of what Dagster runs.

Who builds on the segments needs `read_latest` alone; it imports neither Dagster nor Streamlit.
"""

from amzseg_pipeline.storage.snapshots import Snapshot, has_snapshot, read_latest

__all__ = ["Snapshot", "has_snapshot", "read_latest"]
