"""The write lease of a warehouse in a store, where the lock file of one machine does not protect it.

The last run to start holds the lease; earlier runs stop at their next write. A lease is never released, so a killed run
blocks no other. Local data roots are protected by the run lock, and need no lease.
"""

import json
import platform
from pathlib import Path

from amzseg_pipeline.contracts.errors import WriteError
from amzseg_pipeline.storage.fs.atomic_writes import atomic_write
from amzseg_pipeline.storage.fs.object_store import content_of, store_of


def acquire_lease(warehouse: Path, run_id: str) -> None:
    """Gives the lease to this run; other runs stop at their next write."""
    if store_of(warehouse) is not None:
        with atomic_write(_lease_file(warehouse)) as temporary:
            temporary.write_text(json.dumps({"run_id": run_id, "machine": platform.node()}), encoding="utf-8")


def require_lease(warehouse: Path, run_id: str) -> None:
    """Raises WriteError where another run took the lease or the warehouse was deleted: tables of two runs would mix."""
    if store_of(warehouse) is None:
        return
    try:
        lease = json.loads(content_of(_lease_file(warehouse)))
    except FileNotFoundError:
        lease = {"run_id": "", "machine": "the warehouse was deleted"}
    if lease["run_id"] != run_id:
        raise WriteError(
            f"{_lease_file(warehouse)}: this run stops, because run {lease['run_id'][:8] or 'none'} "
            f"({lease['machine']}) holds the write lease. Allow one run at a time on a store (one queue, one daemon), "
            "then run again."
        )


def _lease_file(warehouse: Path) -> Path:
    return warehouse / "lease.json"
